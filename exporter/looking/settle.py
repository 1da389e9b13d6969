"""Bringing kin's link counts up to date by asking a few of their members.

The kernel counts links by itself; so after a layer of ten thousand names came or went, a few
stats for each kin tell everything. Where those disagree, the engine is half way, or a stranger
was there: then all members of that kin are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final

from exporter.disk.count import Home, Unasked
from exporter.thinking.kin import Kin
from exporter.thinking.kinship import Kinship

PROBES: Final = 8
"""Members of a kin that are asked when the first or the last of them has moved."""

WATCHED = 1000
"""Inodes of a root, the tightest first, that are each asked for their links at each look."""

_TRIED: Final = 50
"""Layers in which one inode is looked for; one that is in none of these is counted again."""

TreePath = Callable[[str], bytes]
"""Gives the place of a layer's tree below the driver's folder."""


@dataclass(slots=True)
class Refresh:
    """What asking for links gave.

    `moved` are the kin whose links were other than known. `altered` are layers in which a file
    is not where it was seen, which proves that they were changed. `lost` are kin of which a
    member was found in none of their layers, `blocked` those of which one cannot be looked at
    at the moment. `tightest` are the inodes that were asked for being so.
    """

    moved: set[Kin] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)
    lost: set[Kin] = field(default_factory=set)
    blocked: set[Kin] = field(default_factory=set)
    tightest: Mapping[Kin, Sequence[int]] = field(default_factory=dict)

    def add(self, other: Refresh) -> None:
        """Take in what another asking gave."""
        self.moved |= other.moved
        self.altered |= other.altered
        self.lost |= other.lost
        self.blocked |= other.blocked
        self.tightest = other.tightest or self.tightest


def settle(home: Home, kinship: Kinship, tree_path: TreePath, *, still: bool = False) -> Refresh:
    """Ask some members of each kin for their links, and each of the tightest.

    Where the engine has been `still` only strangers may have made links: then the tightest are
    asked alone.
    """
    asker = _Asker(home, tree_path)
    for kin in () if still else kinship.kins:
        asker.sample(kin)
    asker.found.tightest = _tightest(kinship.kins, home.filesystem.limit.value)
    for kin, inodes in asker.found.tightest.items():
        asker.each(kin, inodes)
    return asker.found


def settle_all(home: Home, kins: Iterable[Kin], tree_path: TreePath) -> Refresh:
    """Ask every member of these kin for its links."""
    asker = _Asker(home, tree_path)
    for kin in kins:
        asker.each(kin, list(kin.members))
    return asker.found


@dataclass(slots=True)
class _Asker:
    home: Home
    tree_path: TreePath
    found: Refresh = field(default_factory=Refresh)

    def each(self, kin: Kin, inodes: Iterable[int]) -> None:
        """Ask these members; what they answer is theirs alone."""
        if kin.noted(self._ask(kin, inodes)):
            self.found.moved.add(kin)

    def sample(self, kin: Kin) -> None:
        """Ask the first and the last usual member and all odd ones, and more where one has moved.

        And those that could not be asked before.
        """
        ends = (
            inode
            for order in (iter(kin.members), reversed(kin.members))
            for inode in islice((inode for inode in order if inode not in kin.odd), 1)
        )
        asked = dict.fromkeys((*ends, *kin.odd, *kin.unasked))
        found = self._ask(kin, asked)
        if len(found) < len(asked) or kin.moves(found).keys() - {0}:
            step = max(1, len(kin.members) // PROBES)
            found |= self._ask(kin, islice(kin.members, 0, None, step))
        if len(kin.moves(found)) > 1:
            found = self._ask(kin, kin.members)
        if kin.told(found):
            self.found.moved.add(kin)

    def _ask(self, kin: Kin, inodes: Iterable[int]) -> dict[int, int]:
        """Ask for the links of some of a kin's members, wherever that name of theirs still is."""
        found: dict[int, int] = {}
        missed: set[int] = set()
        for inode in inodes:
            links = self._links(kin, inode)
            if links is None:
                missed.add(inode)
            else:
                found[inode] = links
        if missed or kin.unasked:
            unasked = (kin.unasked | missed) - found.keys()
            if unasked != kin.unasked:
                self.found.moved.add(kin)
            kin.unasked = unasked
        return found

    def _links(self, kin: Kin, inode: int) -> int | None:
        blocked = False
        for layer in islice(kin.places(), _TRIED):
            answer = self.home.ask(inode, self.tree_path(layer) + kin.members[inode])
            if isinstance(answer, int):
                return answer
            if answer is Unasked.BLOCKED:
                blocked = True
            elif layer == kin.seen_in:
                self.found.altered.add(layer)
        (self.found.blocked if blocked else self.found.lost).add(kin)
        return None


def _tightest(kins: Iterable[Kin], limit: int | None) -> dict[Kin, list[int]]:
    """Choose the inodes that allow the fewest layers; the usual members of a kin are all alike.

    Without a limit those with the most links.
    """

    def left(kin: Kin, inode: int | None) -> int:
        if limit is not None:
            return kin.left(limit, inode)
        return -(kin.links if inode is None else kin.links_of(inode))

    bulks = ((left(kin, None), kin, None) for kin in kins if len(kin.odd) < len(kin.members))
    singles = ((left(kin, inode), kin, inode) for kin in kins for inode in kin.odd)
    chosen: dict[Kin, list[int]] = {}
    room = WATCHED
    for _, kin, inode in sorted(chain(bulks, singles), key=lambda one: one[0]):
        if room <= 0:
            break
        usual = (i for i in kin.members if i not in kin.odd)
        some = list(islice(usual, room)) if inode is None else [inode]
        chosen.setdefault(kin, []).extend(some)
        room -= len(some)
    return chosen
