"""Lock files: no two processes work on one root, however many commands are started.

A child process holds the lock of its root for as long as it exists: the kernel releases a flock(2)
when the last descriptor is closed, and a process that hangs on a dead mount keeps its own. The
file says the process's id; its time is that of the process's last sign of life.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from exporter.logs import logger

PLACES: Final = ("/run", "/tmp", "/dev/shm")  # noqa: S108  (the folder below is ours alone)
"""Where the folder of lock files may lie. The environment has no say: cron's is another."""

_KILLED: Final = 1 << 8
"""proc(5), status, `SigPnd`: SIGKILL (9) is pending."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock.

    `pid` is None where it is not known yet. `stamp` changes with each of its signs of life.
    `is_killed`: it is about to end; if it does not, it hangs in the kernel.
    """

    pid: int | None
    stamp: int
    is_killed: bool


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock file: its name in the open folder `folder`."""

    folder: int
    name: str

    @classmethod
    def of(cls, folder: int, key: str) -> Self:
        """The lock of what `key` names."""
        return cls(folder, hashlib.sha256(os.fsencode(key)).hexdigest()[:32])

    def take(self) -> int | None:
        """Take the lock and give its open descriptor, or None where another has it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self.name, flags, 0o600, dir_fd=self.folder)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            raise
        return fd

    def holder(self) -> Holder:
        """Who holds the lock, from what its file says."""
        fd = os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
        try:
            said, stamp = os.read(fd, 20), os.stat(fd).st_mtime_ns
        finally:
            os.close(fd)
        pid = int(said) if said.isdigit() else None
        return Holder(pid, stamp, pid is not None and is_killed(pid))


@dataclass(slots=True)
class Locks:
    """The locks of the jobs that run together. A job whose lock cannot be had runs without it.

    `folder` is the open folder of lock files, None where there is none. The first miss is warned of.
    """

    folder: int | None
    _is_warned: bool = False

    @classmethod
    def opened(cls) -> Self:
        """The locks of this user."""
        locks = cls(open_lock_folder())
        if locks.folder is None:
            locks.miss("no folder for lock files")
        return locks

    def of(self, key: str) -> Lock | None:
        """The lock of what `key` names, if there can be one."""
        return None if self.folder is None else Lock.of(self.folder, key)

    def miss(self, why: str) -> None:
        """Warn, once, that a lock cannot be had."""
        if not self._is_warned:
            self._is_warned = True
            logger().warning(f"{why}: each scan that hangs leaves a process of its own")

    def close(self) -> None:
        """Close the folder; locks that are held stay so."""
        if self.folder is not None:
            os.close(self.folder)


def is_killed(pid: int) -> bool:
    """Whether a process is there that was killed."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
        pending = re.findall(r"^S(?:ig|hd)Pnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
        return any(int(signals, 16) & _KILLED for signals in pending)
    return False


def open_lock_folder(places: Sequence[str] = PLACES) -> int | None:
    """Open this user's folder of lock files, made where it is missing; None where none can be had.

    In a folder that all may write to, others may have put something under its name. So it must be
    a folder, no symlink, owned by this user, and closed to all others.
    """
    user = os.geteuid()
    for place in places:
        path = f"{place}/hardlink-exporter-{user}"
        with suppress(OSError):
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            status = os.stat(fd)
            if status.st_uid == user and not stat.S_IMODE(status.st_mode) & 0o077:
                return fd
            os.close(fd)
    return None
