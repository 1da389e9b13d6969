"""How a layer's tree differs from that of the layer below it, looked up name by name.

The engine's record tells which names the layer's archive mentions; each of them is asked for in
both trees. The cost is that of the difference, not of the trees.

Two directories under one name may still be two: the archive may remove one and make another, and
then need not mention what was below it. Where that may have happened, both are counted as a whole.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from exporter.disk.tarheader import DoubtError
from exporter.disk.tarsplit import Touched
from exporter.disk.walk import OPEN_DIR, Ground, walk


@dataclass(slots=True)
class Side:
    """What one of the two trees has and the other has not.

    `names` counts names by their inode, `places` has the smallest of them from the tree's `/`;
    `others` counts directories, symlinks and specials. What lies below a directory that was counted
    as a whole is in both sides.
    """

    names: dict[int, int] = field(default_factory=dict)
    places: dict[int, bytes] = field(default_factory=dict)
    others: int = 0

    def add(self, inode: int, count: int, path: bytes) -> None:
        """Take in some names of an inode; `path` is the smallest of them."""
        self.names[inode] = self.names.get(inode, 0) + count
        self.places[inode] = min(path, self.places.get(inode, path))


@dataclass(slots=True)
class Difference:
    """What `below` alone has and what `above` alone has; `links` of the inodes not yet known.

    `asked` is the number of names that were looked up.
    """

    below: Side = field(default_factory=Side)
    above: Side = field(default_factory=Side)
    links: dict[int, int] = field(default_factory=dict)
    asked: int = 0


def difference(
    below: int, above: int, touched: Touched, ground: Ground, known: Container[int]
) -> Difference:
    """Compare two trees, given by their open descriptors, at the names that the archive mentions.

    The links of `known` inodes are not noted. Raises DoubtError where other names may differ too,
    OSError where a name cannot be asked for.
    """
    if touched.opaque:
        raise DoubtError("it replaces all of the tree")
    comparison = _Comparison(ground, known)
    comparison.run(below, above, touched)
    return comparison.found


_Status = os.stat_result | None
_NOWHERE: Final = -1


@dataclass(slots=True)
class _Level:
    """A directory on the way down. `counts`: it has not been counted as a whole.

    `below` is -1 where the tree below has no such directory.
    """

    below: int
    above: int
    path: bytes
    names: Iterator[tuple[str, Touched]]
    counts: bool
    opened: ExitStack


@dataclass(slots=True)
class _Comparison:
    ground: Ground
    known: Container[int]
    found: Difference = field(default_factory=Difference)
    levels: list[_Level] = field(default_factory=list)

    def run(self, below: int, above: int, touched: Touched) -> None:
        """Compare, with an explicit stack; `tarsplit.MOST_DEPTH` bounds it."""
        names = iter(touched.below.items())
        self.levels.append(_Level(below, above, b"/", names, True, ExitStack()))
        try:
            while self.levels:
                level = self.levels[-1]
                for name, below_it in level.names:
                    if self._compare(level, name, below_it):
                        break
                else:
                    self.levels.pop().opened.close()
        finally:
            for level in self.levels:
                level.opened.close()

    def _compare(self, level: _Level, name: str, touched: Touched) -> bool:
        """Compare one name in both trees. True: names below it come next."""
        if not touched.below and not level.counts:
            return False
        was = self._ask(level.below, name)
        now = self._ask(level.above, name)
        if touched.below:
            _must_be_plain(touched, was, now)
        emptied = touched.replaced or touched.opaque
        kept = _is_directory(was) and _is_directory(now) and not emptied
        if level.counts and not kept:
            self._count(level, name, was, now)
        if not touched.below:
            return False
        counts = level.counts and kept
        self._enter(level, name, touched, was_directory=_is_directory(was), counts=counts)
        return True

    def _enter(
        self, level: _Level, name: str, touched: Touched, *, was_directory: bool, counts: bool
    ) -> None:
        with ExitStack() as opened:
            below = _open(level.below, name, opened) if was_directory else _NOWHERE
            above = _open(level.above, name, opened)
            path = level.path + os.fsencode(name) + b"/"
            names = iter(touched.below.items())
            self.levels.append(_Level(below, above, path, names, counts, opened.pop_all()))

    def _ask(self, folder: int, name: str) -> _Status:
        if folder == _NOWHERE:
            return None
        self.found.asked += 1
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if status.st_dev != self.ground.device:
            raise DoubtError("another mount covers a part of it")
        return status

    def _count(self, level: _Level, name: str, was: _Status, now: _Status) -> None:
        """Count what one name holds in each tree, unless it is the same file in both."""
        if was and now and stat.S_ISREG(was.st_mode) and was.st_ino == now.st_ino:
            return
        path = level.path + os.fsencode(name)
        if was:
            self._add(self.found.below, level.below, name, path, was)
        if now:
            self._add(self.found.above, level.above, name, path, now)

    def _add(self, side: Side, folder: int, name: str, path: bytes, status: os.stat_result) -> None:
        if _is_directory(status):
            self._add_tree(side, folder, name, path)
        elif not stat.S_ISREG(status.st_mode):
            side.others += 1
        else:
            inode = status.st_ino
            side.add(inode, 1, path)
            if inode not in self.known:
                self.found.links[inode] = status.st_nlink

    def _add_tree(self, side: Side, folder: int, name: str, path: bytes) -> None:
        """Count a directory and all that lies below it."""
        with ExitStack() as opened:
            fd = _open(folder, name, opened)
            tree = walk(fd, "", self.ground, self.found.links, self.known)
        if tree.changed or tree.problems:
            raise DoubtError("a part of it cannot be seen")
        self.found.asked += tree.entries
        side.others += tree.made_anew
        for inode, count in tree.names.items():
            side.add(inode, count, path + tree.raw_path_of(inode))


def _must_be_plain(touched: Touched, was: _Status, now: _Status) -> None:
    """Raise DoubtError where the names below this one may have been written through a symlink."""
    symlink = was is not None and stat.S_ISLNK(was.st_mode)
    if symlink or touched.linked or not _is_directory(now):
        raise DoubtError("it may have written through a symlink")


def _is_directory(status: _Status) -> bool:
    return status is not None and stat.S_ISDIR(status.st_mode)


def _open(folder: int, name: str, opened: ExitStack) -> int:
    fd = os.open(name, OPEN_DIR, dir_fd=folder)
    opened.callback(os.close, fd)
    return fd
