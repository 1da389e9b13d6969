"""The table of links limits against real filesystems: links are made until they are refused."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from disks import disk, mounted
from needs import need_program, need_root

from exporter.disk.limits import Filesystem, filesystem_of
from exporter.disk.mounts import read_mounts
from exporter.model import LinksLimit

FAR = 70_000

DISKS = {
    "ext4": ("200M", ["mkfs.ext4", "-q"], 65_000),
    "ext3": ("200M", ["mkfs.ext3", "-q"], 65_000),
    "ext2": ("200M", ["mkfs.ext2", "-q"], 65_000),
    "xfs": ("400M", ["mkfs.xfs", "-q"], 2**31 - 1),
    "btrfs": ("200M", ["mkfs.btrfs", "-q"], 65_535),
    "btrfs-without-extref": ("200M", ["mkfs.btrfs", "-q", "-O", "^extref"], 65_535),
}


def told(folder: Path) -> Filesystem:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return filesystem_of(fd, read_mounts(), Path("/"))
    finally:
        os.close(fd)


def links_made(folder: Path) -> tuple[int, int]:
    """Link one file again and again over many folders; give its links and the error that ended it."""
    file = folder / "file"
    file.write_text("x")
    made = 1
    try:
        for i in range(FAR):
            below = folder / f"d{i // 50}"
            if i % 50 == 0:
                below.mkdir()
            os.link(file, below / f"n{i}")
            made += 1
    except OSError as error:
        assert file.lstat().st_nlink == made
        return made, error.errno or 0
    return made, 0


@pytest.mark.root
@pytest.mark.parametrize("name", DISKS)
def test_the_table_agrees_with_a_real_filesystem(tmp_path: Path, name: str) -> None:
    need_root()
    size, mkfs, limit = DISKS[name]
    need_program(mkfs[0])
    with disk(tmp_path, size, mkfs) as point:
        assert told(point) == Filesystem(name.partition("-")[0], LinksLimit(limit, "table"))
        made, error = links_made(point)
    if limit > FAR:
        assert (made, error) == (FAR + 1, 0)
    else:
        assert (made, error) == (limit, errno.EMLINK)


@pytest.mark.root
def test_tmpfs_has_no_limit_of_links_but_each_takes_an_inode(tmp_path: Path) -> None:
    need_root()
    with mounted("-t", "tmpfs", "-o", "nr_inodes=5000", "none", str(tmp_path)):
        filesystem = told(tmp_path)
        free = os.statvfs(tmp_path).f_ffree
        made, error = links_made(tmp_path)
    assert filesystem.limit == LinksLimit(None, "table", bounded=False)
    assert filesystem.link_costs_inode
    assert error == errno.ENOSPC
    folders = -(-made // 50)
    assert free - 3 <= made + folders <= free + 3


@pytest.mark.root
def test_tmpfs_goes_far_past_the_limit_of_ext4(tmp_path: Path) -> None:
    need_root()
    with mounted("-t", "tmpfs", "-o", "nr_inodes=0", "none", str(tmp_path)):
        assert links_made(tmp_path) == (FAR + 1, 0)


@pytest.mark.root
def test_an_overlayfs_has_the_limit_of_its_upper_layer(tmp_path: Path) -> None:
    need_root()
    need_program("mkfs.ext4")
    with disk(tmp_path, "200M", ["mkfs.ext4", "-q"]) as point:
        for folder in ("lower", "upper", "work", "merged"):
            (point / folder).mkdir()
        options = f"lowerdir={point}/lower,upperdir={point}/upper,workdir={point}/work"
        merged = point / "merged"
        with mounted("-t", "overlay", "-o", options, "none", str(merged)):
            filesystem = told(merged)
            made = links_made(merged)
    assert filesystem.limit == LinksLimit(65_000, "table")
    assert filesystem.fstype == "overlay"
    assert made == (65_000, errno.EMLINK)
