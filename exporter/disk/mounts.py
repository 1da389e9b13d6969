"""What is mounted, from the kernel's own tables (proc(5): `/proc/[pid]/mountinfo`, `fdinfo`).

A file's filesystem is found by mount id, not by device number: a btrfs subvolume's device
number stands nowhere in mountinfo.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc/self")

_POINT: Final = 4  # the mount point, counted from the line's start
_OPTIONS: Final = 2  # the filesystem's own options, counted from the " - "
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo. `device` is "major:minor"; `options` are the filesystem's own."""

    id: int
    device: str
    point: bytes
    fstype: str
    options: tuple[bytes, ...]

    def option(self, key: bytes) -> bytes | None:
        """The value of a `key=value` option, or None."""
        start = key + b"="
        return next((o[len(start) :] for o in self.options if o.startswith(start)), None)


def parse_mountinfo(raw: bytes) -> tuple[Mount, ...]:
    """Understand the text of mountinfo; a line of another form is passed over."""
    mounts = []
    for line in raw.split(b"\n"):  # a mount point may hold any other byte
        left, _, right = line.partition(b" - ")
        fields, kind = left.split(b" "), right.split(b" ")
        if len(fields) <= _POINT or len(kind) <= _OPTIONS or not fields[0].isdigit():
            continue
        mounts.append(
            Mount(
                id=int(fields[0]),
                device=fields[2].decode("ascii", "replace"),
                point=_unescape(fields[_POINT]),
                fstype=kind[0].decode("ascii", "replace"),
                options=tuple(_unescape(o) for o in kind[_OPTIONS].split(b",")),
            )
        )
    return tuple(mounts)


class MountTableError(Exception):
    """The kernel's mount table cannot be read. The text says why, and what to do."""


def read_mounts(proc: Path = PROC) -> tuple[Mount, ...]:
    """Read what is mounted in this process's namespace. Raises MountTableError without /proc."""
    table = proc / "mountinfo"
    try:
        return parse_mountinfo(table.read_bytes())
    except OSError as error:
        raise MountTableError(
            f"{table} cannot be read: {error.strerror}; mount a proc filesystem on /proc"
        ) from None


def mount_of(fd: int, mounts: Iterable[Mount], proc: Path = PROC) -> Mount | None:
    """Find the mount that an open file stands on; None where the kernel does not tell."""
    try:
        text = (proc / "fdinfo" / str(fd)).read_text()
    except OSError:
        return None
    found = re.search(r"^mnt_id:\s*(\d+)$", text, re.MULTILINE)
    if found is None:
        return None
    wanted = int(found[1])
    return next((m for m in mounts if m.id == wanted), None)


def covered_below(home: Path, mounts: Iterable[Mount]) -> dict[tuple[int, int], frozenset[str]]:
    """Which names below `home` are hidden by a mount, by their directory's (device, inode).

    A container's own `merged` is such a name, and what is mounted in it; nobody walks there. We
    see the latter from inside a container that has the host's `/` below its own.
    """
    below = os.fsencode(os.path.realpath(home)) + b"/"
    names: dict[tuple[int, int], set[str]] = defaultdict(set)
    for mount in mounts:
        if not mount.point.startswith(below):
            continue
        if mount.point[len(below) :].split(b"/")[1:2] == [b"merged"]:
            continue
        directory, name = os.path.split(mount.point)
        try:
            status = os.stat(directory)
        except OSError:  # unmounted meanwhile, or not ours to see: then it hides nothing we walk
            continue
        names[status.st_dev, status.st_ino].add(os.fsdecode(name))
    return {place: frozenset(found) for place, found in names.items()}


def _unescape(field: bytes) -> bytes:
    return _OCTAL.sub(lambda m: bytes([int(m[1], 8)]), field)
