"""Random layer archives: few names, so that entries of all types meet on the same paths."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tarball import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FIFO,
    GLOBAL,
    LINK,
    OLD_REGULAR,
    REGULAR,
    SYMLINK,
    Entry,
)

_NAMES: Final = (b"a", b"b", b"c", b"d", b"e", b"f")
_ODD_NAMES: Final = (b"\xff", b"\xc3\xa9", b"<&>", b".wh.a", b"-", b"g" * 120, b"a b\n")
_LAST: Final = (b".wh..wh.a", b".wh..wh.plnk")
_META: Final = (
    *(b".wh..wh.plnk/1", b".wh..wh.plnk/2", b".wh..wh.a/b", b".wh..wh.b", b".wh..wh..opq"),
    *(b"", b".", b"/"),
)
_TARGETS: Final = (b".", b"..", b"/", b"../..", b"/.wh..wh.plnk/1", b".wh..wh.plnk/1", b"nowhere")
_CONTENTS: Final = (b"", b"x", b"content", bytes(600), bytes(512))
_DEEP: Final = 8


@dataclass(frozen=True)
class Below:
    """Paths of the layer below, but for very deep ones."""

    paths: Sequence[bytes] = ()
    directories: Sequence[bytes] = ()
    symlinks: Sequence[bytes] = ()


def paths_of(tree: bytes) -> Below:
    """The paths of a tree, in the order of their names."""
    found: list[bytes] = []
    directories: list[bytes] = []
    symlinks: list[bytes] = []
    for folder, below, files in os.walk(tree):
        for name in below + files:
            path = os.path.join(folder, name)
            relative = path[len(tree) + 1 :]
            if relative.count(b"/") >= _DEEP:
                continue
            found.append(relative)
            if os.path.islink(path):
                symlinks.append(relative)
            elif os.path.isdir(path):
                directories.append(relative)
    return Below(sorted(found), sorted(directories), sorted(symlinks))


def random_base(dice: Random) -> list[Entry]:
    """Make an archive with directories, files of several names, symlinks and the like."""
    folders = sorted({_path(dice, dice.randint(1, 3)) for _ in range(dice.randint(2, 6))})
    entries = [Entry(folder + b"/", DIRECTORY) for folder in folders]
    files: list[bytes] = []
    for folder in [b"", *folders]:
        for name in dice.sample(_NAMES, dice.randint(0, 4)):
            path = folder + b"/" + name if folder else name
            if path in folders or any(other.startswith(path + b"/") for other in folders):
                continue
            what = dice.random()
            if what < 0.45 and files:
                entries.append(Entry(path, LINK, dice.choice(files)))
            elif what < 0.85:
                entries.append(Entry(path, REGULAR, content=dice.choice(_CONTENTS)))
                files.append(path)
            elif what < 0.95:
                entries.append(Entry(path, SYMLINK, b"/" + dice.choice(folders)))
            else:
                entries.append(Entry(path, FIFO))
    return entries


def tight_base(dice: Random) -> list[Entry]:
    """Make such an archive that has one file under some dozens of names."""
    entries = random_base(dice)
    folders = [b"", *(entry.name for entry in entries if entry.kind == DIRECTORY)]
    names = [dice.choice(folders) + b"tight%d" % number for number in range(dice.randint(20, 60))]
    return [*entries, Entry(names[0]), *(Entry(name, LINK, names[0]) for name in names[1:])]


def random_archive(dice: Random, below: Below, most: int) -> list[Entry]:
    """Make an archive of at most `most` turns, each an entry or a few that belong together."""
    making = _Making(dice, below)
    turns: list[tuple[float, Callable[[], list[Entry]]]] = [
        (0.45, making.anything),
        (0.15, making.whiteout),
        (0.07, making.opaque),
        (0.02, making.meta),
        (0.08, making.renamed),
        (0.14, making.remade),
        (0.07, making.written_through),
        (0.02, making.hidden_by_opaque),
    ]
    weights = [weight for weight, _ in turns]
    for _ in range(dice.randint(0, most)):
        ((_, turn),) = dice.choices(turns, weights)
        making.entries += turn()
    return making.entries


@dataclass
class _Making:
    """An archive that is being made. Each method below gives the next entries."""

    dice: Random
    below: Below
    entries: list[Entry] = field(default_factory=list)

    def anything(self) -> list[Entry]:
        """An entry of any type."""
        return [self._entry(self._known_or_new())]

    def whiteout(self) -> list[Entry]:
        """Remove something; now and then the directory that the name lies in, or that above it."""
        if self.dice.random() < 0.05:
            return [
                Entry(self._known_or_new() + self.dice.choice((b"/.wh.", b"/.wh..", b"/.wh...")))
            ]
        kind = _any_kind(self.dice) if self.dice.random() < 0.1 else REGULAR
        return [Entry(_whiteout(self._known_or_new()), kind)]

    def opaque(self) -> list[Entry]:
        """Remove all that was below a directory."""
        return [Entry(self._known_or_new() + b"/.wh..wh..opq")]

    def meta(self) -> list[Entry]:
        """What only aufs knew, or the tree's own directory."""
        return [self._entry(self.dice.choice(_META))]

    def renamed(self) -> list[Entry]:
        """Give a file another name in its directory."""
        path = self._known_or_new()
        return [Entry(_sibling(path, self.dice.choice(_NAMES)), LINK, path), Entry(_whiteout(path))]

    def remade(self) -> list[Entry]:
        """Remove a directory and make it again, in this order or the other."""
        path = self._one_of(self.below.directories)
        ways = [Entry(_whiteout(path))] * 3
        ways += (Entry(path + b"/", kind, b"x" * (kind == SYMLINK)) for kind in _OTHER_KINDS)
        gone = self.dice.choice(ways)
        again = self.dice.choice(
            (Entry(b"/" + path, DIRECTORY), self._entry(path + b"/" + self.dice.choice(_NAMES)))
        )
        return [gone, again] if self.dice.random() < 0.8 else [again, gone]

    def written_through(self) -> list[Entry]:
        """Write or remove something through a symlink, which then may become a directory."""
        path = self._one_of(self.below.symlinks)
        made: list[Entry] = []
        if path not in self.below.symlinks or self.dice.random() < 0.3:
            made = [Entry(path + b"/" * (self.dice.random() < 0.5), SYMLINK, self._target())]
        elif self.dice.random() < 0.2:
            path, old = self._known_or_new(), path
            made = [Entry(path, LINK, old)]
        inside = path + b"/" + self.dice.choice(_NAMES)
        made.append(
            self.dice.choice(
                (self._entry(inside), Entry(_whiteout(inside)), Entry(inside + b"/.wh..wh..opq"))
            )
        )
        if self.dice.random() < 0.5:
            made += self.dice.choice(
                ([Entry(_whiteout(path))], [Entry(b"/" + path + b"/", DIRECTORY)])
            )
            made.append(Entry(path + b"/" + self.dice.choice(_NAMES)))
        return made

    def hidden_by_opaque(self) -> list[Entry]:
        """Write through a new symlink, and remove that along with all else around it."""
        top = self._one_of(self.below.directories)
        path = top + b"/" + _path(self.dice, 2)
        return [
            Entry(path + b"/", SYMLINK, self._target()),
            self._entry(path + b"/" + self.dice.choice(_NAMES)),
            Entry(top + b"/.wh..wh..opq"),
            Entry(path + b"/" + self.dice.choice(_NAMES)),
        ]

    def _entry(self, path: bytes) -> Entry:
        dice, kind = self.dice, _any_kind(self.dice)
        target = b""
        if kind == LINK:
            target = self._known_or_new() if dice.random() < 0.95 else self._target()
        elif kind in (SYMLINK, GLOBAL):
            target = self._target()
        content = dice.choice(_CONTENTS) if kind in (REGULAR, OLD_REGULAR) else b""
        name = _dressed(dice, path, kind)
        extended = dice.choice(("pax", "gnu")) if dice.random() < 0.1 else ""
        lies = kind in (DIRECTORY, SYMLINK, LINK, FIFO) and dice.random() < 0.03
        size = dice.choice((1, 512, 700)) if lies else None
        return Entry(name, kind, target, content, extended, size)

    def _one_of(self, paths: Sequence[bytes]) -> bytes:
        return self.dice.choice(paths) if paths else self._known_or_new()

    def _known_or_new(self) -> bytes:
        dice, what = self.dice, self.dice.random()
        if what < 0.5 and self.below.paths:
            path = dice.choice(self.below.paths)
            return path if dice.random() < 0.75 else path + b"/" + dice.choice(_NAMES)
        if what < 0.75 and self.entries:
            path = dice.choice(self.entries).name.strip(b"/")
            if path and len(path) < _LONG:
                return path if dice.random() < 0.5 else path + b"/" + dice.choice(_NAMES)
        if dice.random() < 0.0005:
            return b"/".join([b"a"] * dice.randint(60, 80))
        return _path(dice, dice.choice((1, 1, 2, 2, 3, 4)))

    def _target(self) -> bytes:
        dice, what = self.dice, self.dice.random()
        if what < 0.5 and self.below.directories:
            return b"/" + dice.choice(self.below.directories)
        if what < 0.6 and self.below.paths:
            return b"../" * dice.randint(0, 2) + dice.choice(self.below.paths)
        if what < 0.7:
            return dice.choice(_TARGETS)
        return dice.choice((b"", b"/", b"../")) + _path(dice, 1)


_LONG: Final = 60
_OTHER_KINDS: Final = (REGULAR, FIFO, GLOBAL, SYMLINK)


def _sibling(path: bytes, name: bytes) -> bytes:
    return posixpath.join(posixpath.dirname(path), name)


def _whiteout(path: bytes) -> bytes:
    folder, last = posixpath.split(path.rstrip(b"/"))
    return posixpath.join(folder, b".wh." + last)


def _any_kind(dice: Random) -> bytes:
    kinds = [DIRECTORY, REGULAR, LINK, SYMLINK, FIFO, OLD_REGULAR, GLOBAL]
    weights = [30.0, 28, 16, 14, 2, 3, 0.5]
    if os.geteuid() == 0:
        kinds += CHARACTER, BLOCK
        weights += 1, 1
    (kind,) = dice.choices(kinds, weights)
    return kind


def _path(dice: Random, depth: int) -> bytes:
    names = [dice.choice(_NAMES if dice.random() < 0.97 else _ODD_NAMES) for _ in range(depth)]
    if dice.random() < 0.01:
        names[-1] = dice.choice(_LAST)
    return b"/".join(names)


def _dressed(dice: Random, path: bytes, kind: bytes) -> bytes:
    """Write a path in one of the ways that mean the same, now and then as something else."""
    if dice.random() < 0.15:
        path = dice.choice((b"./", b"/", b"//", b"/.//")) + path
    if dice.random() < 0.01:
        path = dice.choice((b"../", b"a/../", b"b/../", b"f/../")) + path
    if dice.random() < 0.05:
        path = path.replace(b"/", dice.choice((b"//", b"/./")))
    slash = 0.9 if kind == DIRECTORY else 0.04
    return path + b"/" * (dice.random() < slash)
