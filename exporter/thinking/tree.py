"""What one tree of files holds, as counted by a walk."""

from __future__ import annotations

import os
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

from exporter.model import Problem
from exporter.text import shown_name

INODE_BITS: Final = 64
"""Where an inode is keyed by its device too, the device stands above these bits."""

_REMEMBERED: Final = 4


@dataclass(slots=True)
class Tree:
    """What a walk of one tree gave. `changed`: something vanished or moved while we looked.

    `names` counts, for each regular file's inode, its names inside this tree; `entries` is
    the number of directory entries met. `directories` holds each directory as (number of
    its parent, name), the tree's own folder being number 0; `first` the smallest name of
    each inode as (number, name). Paths are built only when asked for: a hostile tree has
    paths of a million bytes.
    """

    names: dict[int, int] = field(default_factory=dict)
    symlinks: int = 0
    specials: int = 0
    entries: int = 0
    problems: list[Problem] = field(default_factory=list)
    changed: bool = False
    directories: list[tuple[int, str]] = field(default_factory=list)
    first: dict[int, tuple[int, str]] = field(default_factory=dict)
    _built: dict[int, bytes] = field(default_factory=dict)

    @property
    def made_anew(self) -> int:
        """Inodes that a copy of this tree by hard links still costs: all but its regular files."""
        return len(self.directories) + self.symlinks + self.specials

    @property
    def regular(self) -> int:
        """Names of regular files."""
        return sum(self.names.values())

    def path_of(self, key: int) -> str:
        """The smallest name of an inode in this tree, absolute inside the image."""
        return shown_name(self.raw_path_of(key))

    def raw_path_of(self, key: int) -> bytes:
        """The smallest name of an inode as the disk has it, from this tree's `/`."""
        number, name = self.first[key]
        return self._folder(number) + os.fsencode(name)

    def raw_paths(self, known: Container[int]) -> dict[int, bytes]:
        """The smallest name of each inode that is not `known`, as `raw_path_of` does."""
        paths: dict[int, bytes] = {}
        at, folder = -1, b""
        for inode, (number, name) in self.first.items():
            if inode in known:
                continue
            if number != at:
                at, folder = number, self._folder(number)
            paths[inode] = folder + os.fsencode(name)
        return paths

    def path_at(self, number: int, name: str) -> str:
        """The path of a name in a directory, absolute inside the image."""
        return shown_name(self._folder(number) + os.fsencode(name))

    def is_smaller(self, number: int, name: str, than: tuple[int, str]) -> bool:
        """Compare two names' whole paths, as bytes."""
        other, other_name = than
        if number == other:
            return os.fsencode(name) < os.fsencode(other_name)
        ours = self._folder(number) + os.fsencode(name)
        return ours < self._folder(other) + os.fsencode(other_name)

    def _folder(self, number: int) -> bytes:
        """Build a directory's path, with its last slash.

        The newest few are remembered, and a path is built from that of the nearest one above
        it: so a thousand folders side by side, deep down, cost a copy each.
        """
        names: list[bytes] = []
        step = number
        while step and step not in self._built:
            step, name = self.directories[step]
            names.append(os.fsencode(name))
        path = self._built.pop(step, b"/")
        self._built[step] = path
        if names:
            above = b"".join([path, *(name + b"/" for name in reversed(names[1:]))])
            if len(names) > 1:
                self._built[self.directories[number][0]] = above
            path = self._built[number] = above + names[0] + b"/"
        while len(self._built) > _REMEMBERED:
            del self._built[next(iter(self._built))]
        return path
