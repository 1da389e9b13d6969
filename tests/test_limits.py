"""The links limit of a filesystem, from the kernel's tables as text: no disk of that kind needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.disk.limits import FILESYSTEMS, Filesystem, filesystem_of
from exporter.disk.mounts import parse_mountinfo
from exporter.model import LinksLimit

FD = 4_000  # of the folder asked for: a number that is never really open
UNKNOWN = LinksLimit(None, "none")


class Kernel:
    """Folders like /proc/self and /sys, where the folder asked for stands on the mount 30."""

    def __init__(self, path: Path) -> None:
        self.path, self.proc, self.sys = path, path / "proc", path / "sys"
        (self.proc / "fdinfo").mkdir(parents=True)
        (self.sys / "dev/block").mkdir(parents=True)
        self.stands_on(FD, 30)

    def stands_on(self, fd: int, mount: int) -> None:
        (self.proc / "fdinfo" / str(fd)).write_text(f"pos:\t0\nflags:\t0\nmnt_id:\t{mount}\n")

    def opened_stands_on(self, mount: int) -> None:
        """Let every folder that is opened from now on stand on this mount."""
        for fd in range(256):
            self.stands_on(fd, mount)

    def told(self, *mounts: str, rootfs: Path = Path("/")) -> Filesystem:
        raw = "\n".join(mounts).encode()
        return filesystem_of(FD, parse_mountinfo(raw), rootfs, self.proc, self.sys)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A kernel that shows nothing but where the folder stands."""
    return Kernel(tmp_path)


def line(fstype: str, options: str = "rw", id: int = 30) -> str:
    return f"{id} 1 259:1 / /var/lib/docker rw - {fstype} /dev/disk {options}"


LIMITS = {
    "ext4": 65_000,
    "xfs": 2_147_483_647,
    "btrfs": 65_535,
    "f2fs": 4_294_967_295,
    "zfs": 2_147_483_647,
    "jfs": 4_294_967_295,
    "reiserfs": 64_535,
    "nilfs2": 32_000,
    "ntfs3": 4_000,
    "bcachefs": 4_294_967_295,
    "gfs2": 4_294_967_295,
    "udf": 65_535,
}


@pytest.mark.parametrize("fstype", LIMITS)
def test_a_known_filesystem_has_the_limit_of_its_row(kernel: Kernel, fstype: str) -> None:
    expected = Filesystem(fstype, LinksLimit(LIMITS[fstype], "table"))
    assert expected == kernel.told(line(fstype))


def test_every_row_is_known_here_and_names_its_source() -> None:
    assert set(FILESYSTEMS) == {*LIMITS, "tmpfs"}
    assert [name for name, row in FILESYSTEMS.items() if not row.source] == []


def test_tmpfs_sets_no_limit_but_each_link_takes_an_inode(kernel: Kernel) -> None:
    limit = LinksLimit(None, "table", bounded=False)
    assert Filesystem("tmpfs", limit, link_costs_inode=True) == kernel.told(line("tmpfs"))


@pytest.mark.parametrize(
    ("fstype", "inode_in_entry"),
    [("nfs", True), ("nfs4", True), ("ceph", True), ("fuse", False), ("fuse.sshfs", False)],
)
def test_where_the_server_decides_the_limit_is_unknown_and_said_to_be(
    kernel: Kernel, fstype: str, inode_in_entry: bool
) -> None:
    reason = f"how many hard links {fstype} allows is not known here"
    expected = Filesystem(fstype, UNKNOWN, inode_in_entry=inode_in_entry, reason=reason)
    assert expected == kernel.told(line(fstype))


@pytest.mark.parametrize("mounts", [[], [line("ext4", id=31)]])
def test_a_mount_that_is_not_shown_is_unknown(kernel: Kernel, mounts: list[str]) -> None:
    reason = "the kernel's mount table does not show its mount"
    assert Filesystem("unknown", UNKNOWN, reason=reason) == kernel.told(*mounts)


def test_the_filesystem_is_that_of_the_folders_own_mount_and_of_no_other(kernel: Kernel) -> None:
    told = kernel.told(line("xfs", id=29), line("ext4", id=30), line("btrfs", id=31))
    assert told.fstype == "ext4"


@pytest.mark.parametrize("fstype", ["ext2", "ext3"])
@pytest.mark.parametrize(
    ("disks_of_ext4", "expected"), [(["sda1"], 65_000), (["sdb1"], 32_000), ([], 32_000)]
)
def test_an_old_format_has_the_limit_of_the_driver_that_mounted_it(
    kernel: Kernel, fstype: str, disks_of_ext4: list[str], expected: int
) -> None:
    (kernel.sys / "dev/block/259:1").symlink_to("../../devices/pci0/block/sda/sda1")
    for disk in disks_of_ext4:
        (kernel.sys / "fs/ext4" / disk).mkdir(parents=True)
    assert Filesystem(fstype, LinksLimit(expected, "table")) == kernel.told(line(fstype))


def test_an_old_format_on_a_disk_that_sys_does_not_show_has_the_lower_limit(
    kernel: Kernel,
) -> None:
    (kernel.sys / "fs/ext4/sda1").mkdir(parents=True)
    assert kernel.told(line("ext3")).limit == LinksLimit(32_000, "table")


@pytest.mark.parametrize(
    ("below", "limit", "costs"),
    [
        ("ext4", LinksLimit(65_000, "table"), False),
        ("tmpfs", LinksLimit(None, "table", bounded=False), True),
    ],
)
def test_an_overlay_has_the_limit_of_its_upper_layers_filesystem(
    kernel: Kernel, below: str, limit: LinksLimit, costs: bool
) -> None:
    kernel.opened_stands_on(31)
    told = kernel.told(line("overlay", f"rw,upperdir={kernel.path}"), line(below, id=31))
    assert Filesystem("overlay", limit, costs, inode_in_entry=False) == told


def test_an_upper_layer_is_looked_up_below_the_hosts_root(kernel: Kernel) -> None:
    (kernel.path / "host/var/upper").mkdir(parents=True)
    kernel.opened_stands_on(31)
    mounts = (line("overlay", "rw,upperdir=/var/upper"), line("ext4", id=31))
    told = kernel.told(*mounts, rootfs=kernel.path / "host")
    assert told.limit == LinksLimit(65_000, "table")


@pytest.mark.parametrize(
    ("options", "below", "reason"),
    [
        ("ro,lowerdir=/a:/b", "ext4", "it is an overlay without an upper layer"),
        (
            "rw,upperdir=/no/such/folder",
            "ext4",
            "its overlay's upper layer cannot be opened: No such file or directory",
        ),
        ("rw,upperdir=/", "overlay", "its overlay's upper layer is not on a plain disk"),
        ("rw,upperdir=/", "nfs", "how many hard links nfs allows is not known here"),
    ],
)
def test_an_overlay_whose_upper_layer_cannot_be_told_is_unknown(
    kernel: Kernel, options: str, below: str, reason: str
) -> None:
    kernel.opened_stands_on(31)
    told = kernel.told(line("overlay", options), line(below, id=31))
    assert Filesystem("overlay", UNKNOWN, inode_in_entry=False, reason=reason) == told


def test_a_limit_set_by_hand_takes_the_tables_place_and_no_other(kernel: Kernel) -> None:
    for fstype in ("ext4", "tmpfs", "nfs", "fuse"):
        told = kernel.told(line(fstype))
        assert told.overridden(None) == told
        assert told.overridden(1000) == Filesystem(
            fstype, LinksLimit(1000, "config"), told.link_costs_inode, told.inode_in_entry
        )
