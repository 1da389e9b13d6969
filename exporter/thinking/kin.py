"""Kin: inodes that have the same number of names in each layer, kept and counted together.

What the engine does to one of them it does to all: a child layer links every name of its
parent again, a removal unlinks every name. So a root of ten million names is a few thousand
kin, each with one link count, and looking at a few members of each tells the counts of all.

Links made by strangers break the rule for single inodes, and so does the engine while it is half
way through a layer; these are kept as `odd` members, each of which is asked at each look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from exporter.model import LINKS_OVER
from exporter.thinking.headroom import left_by_links


@dataclass(slots=True, eq=False)
class Kin:
    """Inodes that stand together. `links` is what most of them have; `odd` holds the rest's surplus.

    `members` gives each one's path in the layer `seen_in`, in the order in which they were met.
    `seen_in` is None when that layer has gone: another layer may have the paths, or not.
    `holders` are the layers that have names of them, with how many names of each member;
    `names` is the sum of these. `unasked` are members that could not be asked for their links when
    they were to be: where they were seen is not, or not yet, where they are.
    """

    members: dict[int, bytes]
    links: int
    odd: dict[int, int] = field(default_factory=dict)
    holders: dict[str, int] = field(default_factory=dict)
    seen_in: str | None = None
    names: int = 0
    unasked: frozenset[int] = frozenset()
    _fullest: int | None = None
    _surplus: int | None = None

    def hold(self, layer: str, count: int) -> None:
        """Note that a layer has `count` names of each member."""
        self.names += count - self.holders.get(layer, 0)
        self.holders[layer] = count

    def release(self, layer: str) -> None:
        """Note that a layer has no names of the members any more."""
        self.names -= self.holders.pop(layer)
        if self.seen_in == layer:
            self.seen_in = None

    def places(self) -> Iterator[str]:
        """Yield the layers in which to look for a member's path, the most likely one first."""
        if self.seen_in is not None:
            yield self.seen_in
        for layer in self.holders:
            if layer != self.seen_in:
                yield layer

    @property
    def overcounted(self) -> bool:
        """Whether a member has more names in the layers than links on the disk, which cannot be."""
        usual = len(self.odd) < len(self.members) and self.links < self.names
        return usual or any(self.links + surplus < self.names for surplus in self.odd.values())

    def links_of(self, inode: int) -> int:
        """One member's link count."""
        return self.links + self.odd.get(inode, 0)

    @property
    def links_max(self) -> int:
        """The highest link count of a member."""
        if self._surplus is None:
            usual = [0] if len(self.odd) < len(self.members) else []
            self._surplus = max([*usual, *self.odd.values()])
        return self.links + self._surplus

    def left(self, limit: int, inode: int | None = None) -> int:
        """The fewest layers left that a member, or any usual one, allows on any layer."""
        links = self.links if inode is None else self.links_of(inode)
        return left_by_links(limit, links, max(self.holders.values()))

    def fullest(self) -> int:
        """The member with most links; among equals the one with the lowest number."""
        if self._fullest is None:
            most = self.links_max
            if most == self.links:
                self._fullest = min(i for i in self.members if i not in self.odd)
            else:
                odd = self.odd.items()
                self._fullest = min(i for i, surplus in odd if self.links + surplus == most)
        return self._fullest

    def forget_fullest(self) -> None:
        """Look for the fullest member anew when it is asked for next."""
        self._fullest = self._surplus = None

    def moves(self, counts: Mapping[int, int]) -> Counter[int]:
        """Count by how much the links of usual members have moved."""
        return Counter(new - self.links for inode, new in counts.items() if inode not in self.odd)

    def told(self, counts: Mapping[int, int]) -> bool:
        """Take in the link counts of some members, all odd ones among them; tell what that changed.

        The members that were not asked moved as most of those did that were usual: a layer came
        or went.
        """
        usual = self.moves(counts)
        if len(counts) == len(self.members):
            usual = Counter(new - self.links for new in counts.values())
        # Among equally frequent moves the highest: rather too few layers left than too many.
        shift = max(usual, key=lambda move: (usual[move], move), default=0)
        self.links += shift
        return self.noted(counts) or shift != 0

    def noted(self, counts: Mapping[int, int]) -> bool:
        """Take in the link counts of some members, as theirs alone; tell whether that changed any."""
        changed = False
        for inode, new in counts.items():
            surplus = new - self.links
            if surplus != self.odd.get(inode, 0):
                changed = True
            if surplus:
                self.odd[inode] = surplus
            else:
                self.odd.pop(inode, None)
        if changed:
            self.forget_fullest()
        return changed


def link_counts(kins: Iterable[Kin]) -> Counter[int]:
    """Count inodes by their links, but for those whose links are not known at the moment."""
    counts: Counter[int] = Counter()
    for kin in kins:
        counts[kin.links] += len(kin.members) - len(kin.odd)
        for surplus in kin.odd.values():
            counts[kin.links + surplus] += 1
        for inode in kin.unasked:
            counts[kin.links_of(inode)] -= 1
    counts.pop(0, None)
    return +counts


def inodes_over(counts: Mapping[int, int]) -> dict[int, int]:
    """How many inodes have more links than each bound of `LINKS_OVER`."""
    return {bound: sum(n for links, n in counts.items() if links > bound) for bound in LINKS_OVER}
