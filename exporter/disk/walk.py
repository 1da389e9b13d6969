"""Counting the names of one tree.

Four promises, because an image may be hostile and a host may be large:

* only directories are ever opened, each relative to the one above it, so that paths longer
  than the kernel's 4,096 bytes are walked like any other and no symlink is ever followed;
* no recursion, and never more than `HELD` directories open, however deep the tree;
* no other filesystem is entered, and no name that another mount hides is counted;
* an inode is asked for its links once (one `stat`); each further name of it costs only the
  directory entry, which carries the inode number (`d_ino`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.model import Problem, Reason
from exporter.thinking.tree import INODE_BITS, Tree

HELD: Final = 64
"""Most directories of one walk that are open at a time (soft limits begin at 1,024)."""

OPEN_DIR: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE})
"""What `openat` answers when a directory of a moment ago is removed or replaced."""

Covered = Mapping[tuple[int, int], frozenset[str]]
"""Names hidden by a mount, by the (device, inode) of the directory they stand in."""


_COVERED: Final = "another mount covers it, so that part of the layer is not counted"
_NONE: Final = -1


class _TreeMovedError(Exception):
    """A directory was moved elsewhere while we were below it."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a walk needs to know of the filesystem it stands on.

    `inode_in_entry`: a directory entry's inode number is the file's own (not so on
    overlayfs and FUSE, where each name costs a stat).
    """

    device: int
    inode_in_entry: bool = True
    covered: Covered = field(default_factory=dict)


@dataclass(slots=True)
class _Level:
    """One directory on the way down. `fd` is None while it is closed to keep few open."""

    fd: int | None
    number: int
    identity: tuple[int, int]
    below: list[tuple[str, int]] = field(default_factory=list)

    def close(self) -> None:
        """Close its descriptor, if it is open."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def walk(
    top: int,
    where: str,
    ground: Ground,
    links: dict[int, int],
    known: Container[int] = frozenset(),
) -> Tree:
    """Count the tree whose open descriptor is `top`; note new inodes' link counts in `links`.

    An inode in `links` or `known` is not asked for its links again. `where` is the tree's
    path, for problems only. The descriptor stays open. Raises OSError if the tree itself
    cannot be looked at.
    """
    status = os.stat(top)
    walker = _Walker(where, ground, links, known)
    if status.st_dev != ground.device:
        walker.lost((0, ""), _COVERED, Reason.MOUNT)
    else:
        walker.run(os.dup(top), status)
    return walker.tree


@dataclass(slots=True)
class _Walker:
    """The walk of one tree, depth first, with an explicit stack."""

    where: str
    ground: Ground
    links: dict[int, int]
    known: Container[int]
    tree: Tree = field(default_factory=Tree)
    levels: list[_Level] = field(default_factory=list)

    def run(self, fd: int, status: os.stat_result) -> None:
        """Enter the tree and come back when every directory below was read."""
        try:
            self._enter(fd, status, (0, ""))
            while self.levels:
                if self.levels[-1].below:
                    self._go_down()
                else:
                    self._go_up()
        except _TreeMovedError:
            self.tree.changed = True
        finally:
            for level in self.levels:
                level.close()

    def lost(self, place: tuple[int, str], what: str, reason: Reason) -> None:
        """Note that something of the tree cannot be told, and where."""
        inside = self.tree.path_at(*place) if self.tree.directories else ""
        self.tree.problems.append(Problem(self.where + inside, what, reason))

    def _go_down(self) -> None:
        above = self.levels[-1]
        name, inode = above.below.pop()
        try:
            fd = os.open(name, OPEN_DIR, dir_fd=above.fd)
        except OSError as error:
            self._failed((above.number, name), error)
            return
        try:
            status = os.stat(fd)
        except OSError as error:
            os.close(fd)
            self._failed((above.number, name), error)
            return
        if status.st_dev != self.ground.device:
            os.close(fd)
            self.lost((above.number, name), _COVERED, Reason.MOUNT)
            return
        if self.ground.inode_in_entry and status.st_ino != inode:
            os.close(fd)
            self.tree.changed = True
            return
        self._enter(fd, status, (above.number, name))
        if len(self.levels) > HELD:
            self.levels[-HELD].close()

    def _go_up(self) -> None:
        """Leave a finished directory; its parent, if it was closed, is reached through `..`."""
        done = self.levels.pop()
        try:
            if self.levels and self.levels[-1].fd is None:
                self.levels[-1].fd = _reopen(done.fd, self.levels[-1].identity)
        finally:
            done.close()

    def _enter(self, fd: int, status: os.stat_result, place: tuple[int, str]) -> None:
        """Read one directory and stand in it."""
        level = _Level(fd, len(self.tree.directories), (status.st_dev, status.st_ino))
        self.levels.append(level)
        self.tree.directories.append(place)
        hidden = self.ground.covered.get(level.identity, frozenset())
        try:
            with os.scandir(fd) as entries:
                self._read(entries, level, hidden)
        except OSError as error:
            self._failed(place, error)
        for name in hidden:
            self.lost((level.number, name), _COVERED, Reason.MOUNT)

    def _read(
        self, entries: Iterator[os.DirEntry[str]], level: _Level, hidden: frozenset[str]
    ) -> None:
        """Count one directory: the only loop that runs once for each name on the disk."""
        tree, links, known = self.tree, self.links, self.known
        names, first, number = tree.names, tree.first, level.number
        trusted = self.ground.inode_in_entry
        met = 0
        try:
            for entry in entries:
                met += 1
                if hidden and entry.name in hidden:
                    continue
                if entry.is_file(follow_symlinks=False):
                    inode = entry.inode() if trusted else self._ask(entry, level)
                    if (seen := names.get(inode)) is not None:
                        names[inode] = seen + 1
                        if tree.is_smaller(number, entry.name, first[inode]):
                            first[inode] = (number, entry.name)
                    elif (
                        inode in known
                        or inode in links
                        or (trusted and self._ask(entry, level) == inode)
                    ):
                        names[inode] = 1
                        first[inode] = (number, entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    level.below.append((entry.name, entry.inode()))
                elif entry.is_symlink():
                    tree.symlinks += 1
                else:
                    tree.specials += 1
        finally:
            tree.entries += met

    def _ask(self, entry: os.DirEntry[str], level: _Level) -> int:
        """Stat one name, note its inode's links and give the inode's key; -1 if there is none.

        On stacked filesystems inode numbers come from several devices, so there the key is
        made of both.
        """
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            self._failed((level.number, entry.name), error)
            return _NONE
        trusted = self.ground.inode_in_entry
        if trusted and status.st_dev != self.ground.device:
            self.lost((level.number, entry.name), _COVERED, Reason.MOUNT)
            return _NONE
        if not stat.S_ISREG(status.st_mode) or (trusted and status.st_ino != entry.inode()):
            self.tree.changed = True
            return _NONE
        key = status.st_ino if trusted else status.st_dev << INODE_BITS | status.st_ino
        self.links.setdefault(key, status.st_nlink)
        return key

    def _failed(self, place: tuple[int, str], error: OSError) -> None:
        if error.errno in _GONE:
            self.tree.changed = True
        else:
            self.lost(place, f"cannot be read: {error.strerror}", Reason.UNREADABLE)


def _reopen(below: int | None, identity: tuple[int, int]) -> int:
    """Open the directory above `below`, and be sure that it is the one we came from."""
    try:
        fd = os.open("..", OPEN_DIR, dir_fd=below)
        status = os.stat(fd)
    except OSError as error:
        raise _TreeMovedError from error
    if (status.st_dev, status.st_ino) != identity:
        os.close(fd)
        raise _TreeMovedError
    return fd
