"""How many hard links one inode may have, by filesystem.

`pathconf(_PC_LINK_MAX)` is of no use: glibc answers 127 for every filesystem it does not
know (btrfs, tmpfs, zfs ...) and musl answers 8 for all. So this is a table, each row with
its source in the kernel, and an override for whoever knows better.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter.disk.mounts import PROC, Mount, mount_of
from exporter.model import LinksLimit

SYS: Final = Path("/sys")

EXT4_LINKS: Final = 65_000
EXT2_LINKS: Final = 32_000


@dataclass(frozen=True, slots=True)
class FsType:
    """One row: `links` an inode may have (None: the filesystem sets no such limit).

    `link_costs_inode`: each further link takes one of the filesystem's free inodes.
    """

    links: int | None
    source: str
    link_costs_inode: bool = False


FILESYSTEMS: Final[dict[str, FsType]] = {
    "ext4": FsType(EXT4_LINKS, "fs/ext4/ext4.h: EXT4_LINK_MAX"),
    "xfs": FsType(2**31 - 1, "fs/xfs/libxfs/xfs_format.h: XFS_MAXLINK"),
    "btrfs": FsType(65_535, "include/uapi/linux/btrfs_tree.h: BTRFS_LINK_MAX"),
    "f2fs": FsType(2**32 - 1, "fs/f2fs/f2fs.h: F2FS_LINK_MAX"),
    "zfs": FsType(2**31 - 1, "openzfs include/os/linux/zfs/sys/zfs_vfsops_os.h: ZFS_LINK_MAX"),
    "tmpfs": FsType(None, "mm/shmem.c: shmem_link takes an inode", link_costs_inode=True),
    "jfs": FsType(2**32 - 1, "fs/jfs/jfs_filsys.h: JFS_LINK_MAX"),
    "reiserfs": FsType(64_535, "fs/reiserfs/reiserfs.h: REISERFS_LINK_MAX"),
    "nilfs2": FsType(32_000, "include/uapi/linux/nilfs2_ondisk.h: NILFS_LINK_MAX"),
    "ntfs3": FsType(4_000, "fs/ntfs3/ntfs.h: NTFS_LINK_MAX"),
    "bcachefs": FsType(2**32 - 1, "fs/bcachefs/inode.c: bch2_inode_nlink_inc"),
    "gfs2": FsType(2**32 - 1, "fs/gfs2/inode.c: gfs2_link"),
    "udf": FsType(65_535, "fs/udf/super.c: UDF_MAX_LINKS"),
}
"""All others are unknown: on nfs, cephfs and fuse the server decides."""

STACKED: Final = frozenset({"overlay"})
"""Filesystems whose files are another's: a link is made in the upper one (fs/overlayfs/dir.c)."""


_OLD_EXT: Final = frozenset({"ext2", "ext3"})


@dataclass(frozen=True, slots=True)
class Filesystem:
    """The filesystem that a folder stands on, as far as it matters to links.

    `reason` says why the limit is unknown; empty where it is known.
    """

    fstype: str
    limit: LinksLimit
    link_costs_inode: bool = False
    inode_in_entry: bool = True
    reason: str = ""

    @property
    def exact_links(self) -> bool:
        """Whether `st_nlink` is what this kernel counts, not what a server or FUSE program says."""
        return self.fstype in {*FILESYSTEMS, *STACKED, *_OLD_EXT}

    def overridden(self, links: int | None) -> Filesystem:
        """Put a limit set by hand in the place of the table's."""
        if links is None:
            return self
        return Filesystem(
            self.fstype,
            LinksLimit(links, "config"),
            self.link_costs_inode,
            self.inode_in_entry,
        )


def filesystem_of(
    fd: int, mounts: Iterable[Mount], rootfs: Path, proc: Path = PROC, sys: Path = SYS
) -> Filesystem:
    """The filesystem of an open folder.

    `rootfs` is where this process sees the host's `/`, for the upper layer of a stacked
    filesystem. What cannot be told is an unknown limit, never an error.
    """
    known = tuple(mounts)
    mount = mount_of(fd, known, proc)
    if mount is None:
        return _unknown("unknown", "the kernel's mount table does not show its mount")
    if mount.fstype in STACKED:
        return _upper(mount, known, rootfs, proc, sys)
    if mount.fstype in _OLD_EXT:
        return Filesystem(mount.fstype, LinksLimit(_old_ext(mount, sys), "table"))
    if (row := FILESYSTEMS.get(mount.fstype)) is not None:
        return Filesystem(
            mount.fstype,
            LinksLimit(row.links, "table", bounded=row.links is not None),
            row.link_costs_inode,
        )
    return _unknown(
        mount.fstype,
        f"how many hard links {mount.fstype} allows is not known here",
        inode_in_entry=not mount.fstype.startswith("fuse"),
    )


def _old_ext(mount: Mount, sys: Path) -> int:
    """Limit of an ext2 or ext3 format: 65,000 where the ext4 driver mounted it, as most kernels do.

    That driver shows each of its mounts under /sys/fs/ext4; the old drivers (ext2.ko, and
    ext3.ko before Linux 4.3) stop at 32,000 (include/linux/ext2_fs.h, ext3_fs.h).
    """
    try:
        disk = os.path.basename(os.readlink(sys / "dev/block" / mount.device))
    except OSError:
        return EXT2_LINKS
    return EXT4_LINKS if (sys / "fs/ext4" / disk).exists() else EXT2_LINKS


def _upper(
    mount: Mount, mounts: tuple[Mount, ...], rootfs: Path, proc: Path, sys: Path
) -> Filesystem:
    upper = mount.option(b"upperdir")
    if upper is None:
        return _unknown(mount.fstype, "it is an overlay without an upper layer", False)
    path = os.path.join(os.fsencode(rootfs), upper.lstrip(b"/")) if rootfs != Path("/") else upper
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return _unknown(
            mount.fstype, f"its overlay's upper layer cannot be opened: {error.strerror}", False
        )
    try:
        below = mount_of(fd, mounts, proc)
        if below is None or below.fstype in STACKED:
            return _unknown(mount.fstype, "its overlay's upper layer is not on a plain disk", False)
        lower = filesystem_of(fd, mounts, rootfs, proc, sys)
    finally:
        os.close(fd)
    return Filesystem(mount.fstype, lower.limit, lower.link_costs_inode, False, lower.reason)


def _unknown(fstype: str, reason: str, inode_in_entry: bool = True) -> Filesystem:
    return Filesystem(
        fstype, LinksLimit(None, "none"), inode_in_entry=inode_in_entry, reason=reason
    )
