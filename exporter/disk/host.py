"""The host's files, as this process sees them below `--path.rootfs`."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter.disk.files import BrokenFileError, read_small
from exporter.disk.mounts import read_mounts
from exporter.thinking.settings import NotUnderstoodError, Text

MOST_BYTES: Final = 1 << 20
"""The longest file of a host's configuration that is read."""

_MOST_SYMLINKS: Final = 40
_NULL: Final = "dev/null"

_REMOTE: Final = frozenset(
    {"9p", "afs", "autofs", "beegfs", "ceph", "cifs", "fuse", "fuseblk", "gpfs", "lustre"}
    | {"ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
)
"""Filesystems that wait for somebody else, who may never answer."""


def place_of(path: str, rootfs: Path, avoided: Collection[bytes] = ()) -> Path:
    """The place where the host's `path` is, its symlinks followed as the host follows them.

    Raises OSError for a loop, and for a way that leads over one of the mount points `avoided`.
    """
    todo = [p for p in path.split("/") if p][::-1]
    done: list[str] = []
    followed = 0
    while todo:
        part = todo.pop()
        if part == ".":
            continue
        if part == "..":
            done = done[:-1]
            continue
        place = rootfs.joinpath(*done, part)
        if os.fsencode(place) in avoided:
            raise OSError(errno.EREMOTE, os.strerror(errno.EREMOTE), str(place))
        try:
            target = os.readlink(place)
        except OSError:  # not a symlink, or not there: whoever opens it will tell
            done.append(part)
            continue
        followed += 1
        if followed > _MOST_SYMLINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(place))
        if target.startswith("/"):
            done = []
        todo += [p for p in target.split("/") if p][::-1]
    return rootfs.joinpath(*done)


def remote_mounts() -> frozenset[bytes]:
    """The mount points whose filesystems may not answer. Raises MountTableError."""
    return frozenset(m.point for m in read_mounts() if m.fstype.partition(".")[0] in _REMOTE)


@dataclass(frozen=True, slots=True)
class Host:
    """Reads the host's files; no symlink leads out of `rootfs`, none over a mount point in `avoided`."""

    rootfs: Path
    avoided: Collection[bytes] = ()

    def place(self, path: str) -> Path:
        """The place of the host's `path`. Raises OSError."""
        return place_of(path, self.rootfs, self.avoided)

    def read(self, path: str) -> bytes:
        """Read a regular file of the host. Raises OSError or BrokenFileError.

        The way to it is opened folder by folder, so that none becomes a symlink meanwhile. What is
        no regular file is not even opened: to open a device may set it going.
        """
        parts = self.place(path).relative_to(self.rootfs).parts
        folder = os.open(self.rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                below = os.open(part, flags, dir_fd=folder)
                os.close(folder)
                folder = below
            name = parts[-1] if parts else "."
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                raise BrokenFileError("is not a regular file")
            return read_small(Path(name), MOST_BYTES, dir_fd=folder)
        finally:
            os.close(folder)

    def text(self, path: str) -> Text | None:
        """Read a file that may be missing; bytes that are no text are kept as they are in paths.

        Raises NotUnderstoodError for what is there and cannot be read.
        """
        try:
            raw = self.read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except BrokenFileError as error:
            raise NotUnderstoodError(path, str(error)) from None
        except OSError as error:
            raise NotUnderstoodError(path, error.strerror or str(error)) from None
        return Text(path, os.fsdecode(raw))

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none where it is missing. Raises NotUnderstoodError."""
        try:
            return sorted(os.listdir(self.place(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise NotUnderstoodError(folder, error.strerror or str(error)) from None

    def is_there(self, path: str) -> bool:
        """Whether anything is at a path, as far as we may see."""
        try:
            os.lstat(self.place(path))
        except OSError:
            return False
        return True

    def is_folder(self, path: str, owner: int | None = None) -> bool:
        """Whether a folder is at a path, as far as we may see; with `owner`, one of that user."""
        try:
            status = os.lstat(self.place(path))
        except OSError:
            return False
        return stat.S_ISDIR(status.st_mode) and owner in (None, status.st_uid)

    def is_null(self, path: str) -> bool:
        """Whether a path leads to /dev/null, by which systemd is told that a file is not in force."""
        try:
            return self.place(path) == self.rootfs / _NULL
        except OSError:
            return False
