"""Kin: inodes that have the same number of names in each layer, kept and counted together.

What the engine does to one of them it does to all: a child layer links every name of its
parent again, a removal unlinks every name. So a root of ten million names is a few thousand
kin, each with one link count, and looking at a few members of each tells the counts of all.

Links made by strangers break the rule for single inodes; these are kept as `odd` members.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from exporter.model import LINKS_OVER
from exporter.thinking.headroom import Tight, left_by_links


@dataclass(slots=True, eq=False)
class Kin:
    """Inodes that stand together. `links` is what most of them have; `odd` holds the rest's surplus.

    `members` is an ordered set; `holders` are the layers that have names of them, with how
    many names of each; `places` the path of some members, in a layer that has them.
    """

    members: dict[int, None]
    links: int
    odd: dict[int, int] = field(default_factory=dict)
    holders: dict[str, int] = field(default_factory=dict)
    places: dict[int, bytes] = field(default_factory=dict)
    _fullest: int | None = None
    _surplus: int | None = None

    def links_of(self, inode: int) -> int:
        """Give one member's link count."""
        return self.links + self.odd.get(inode, 0)

    @property
    def links_max(self) -> int:
        """Give the highest link count of a member."""
        if self._surplus is None:
            usual = [0] if len(self.odd) < len(self.members) else []
            self._surplus = max([*usual, *self.odd.values()])
        return self.links + self._surplus

    def left(self, limit: int) -> int:
        """Give the fewest layers left that a member allows on any layer that holds it."""
        return left_by_links(limit, self.links_max, max(self.holders.values()))

    def fullest(self) -> int:
        """Give the member with most links; among equals the one with the lowest number."""
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

    def told(self, counts: Mapping[int, int]) -> bool:
        """Take in the link counts of some members; tell whether that changed anything.

        Where all of them moved alike, so did the others: that was the engine. Else the others
        moved as most of these did.
        """
        moves = Counter(new - self.links_of(inode) for inode, new in counts.items())
        if not moves or moves.keys() == {0}:
            return False
        # Among equally frequent moves the highest: rather too few layers left than too many.
        shift = max(moves, key=lambda move: (moves[move], move))
        self.links += shift
        if len(moves) == 1:
            return True
        self.forget_fullest()
        for inode, new in counts.items():
            if new == self.links:
                self.odd.pop(inode, None)
            else:
                self.odd[inode] = new - self.links
        return True


@dataclass(slots=True)
class Kinship:
    """All kin of one root, and the layers that hold them."""

    kin_of: dict[int, Kin] = field(default_factory=dict)
    held: dict[str, list[Kin]] = field(default_factory=dict)
    kins: dict[Kin, None] = field(default_factory=dict)

    def add(self, layer: str, names: Mapping[int, int], links: Mapping[int, int]) -> list[Kin]:
        """Take in a layer, given its names by inode and the links of inodes not yet known.

        Kin whose members this layer treats unlike are parted. Gives the kin of the layer.
        """
        groups: dict[tuple[Kin | None, int], list[int]] = defaultdict(list)
        for inode, key in zip(
            names, zip(map(self.kin_of.get, names), names.values(), strict=True), strict=True
        ):
            groups[key].append(inode)
        held = []
        for (kin, count), inodes in groups.items():
            part = self._part(kin, inodes) if kin is not None else self._new(inodes, links)
            part.holders[layer] = count
            held.append(part)
        self.held[layer] = held
        return held

    def derive(
        self, layer: str, source: str, moves: Mapping[int, int], links: Mapping[int, int]
    ) -> list[Kin]:
        """Take in a layer that has the names of another but for some more or fewer, by inode.

        Gives the kin of these, and of the layer. Raises ValueError where the other layer has
        not the names that are to be fewer.
        """
        groups: dict[tuple[Kin | None, int], list[int]] = defaultdict(list)
        for inode, move in moves.items():
            kin = self.kin_of.get(inode)
            count = (kin.holders.get(source, 0) if kin else 0) + move
            if count < 0:
                raise ValueError(f"inode {inode} has fewer names than went")
            groups[kin, count].append(inode)
        counts: dict[Kin, int] = {}
        for (kin, count), inodes in groups.items():
            part = self._part(kin, inodes) if kin is not None else self._new(inodes, links)
            counts[part] = count
        for kin in self.held[source]:
            counts.setdefault(kin, kin.holders[source])
        for kin, count in counts.items():
            if count:
                kin.holders[layer] = count
        self.held[layer] = [kin for kin, count in counts.items() if count]
        return list(counts)

    def remove(self, layer: str) -> None:
        """Forget a layer, and the kin that no layer holds any more."""
        for kin in self.held.pop(layer, ()):
            del kin.holders[layer]
            if not kin.holders:
                del self.kins[kin]
                for inode in kin.members:
                    del self.kin_of[inode]

    def shape(self, layer: str) -> Counter[int]:
        """Count a layer's inodes by the number of names they have in it."""
        shape: Counter[int] = Counter()
        for kin in self.held[layer]:
            shape[kin.holders[layer]] += len(kin.members)
        return shape

    def tightest(self, layer: str, limit: int) -> Tight | None:
        """Find the inode of a layer with the fewest layers left; None where it has no file.

        Among equals the one with most links is told, then most names, then the lowest number,
        so that the answer does not depend on the order in which layers were met.
        """
        best: tuple[tuple[int, int, int], list[Kin]] | None = None
        for kin in self.held[layer]:
            count, most = kin.holders[layer], kin.links_max
            rank = (left_by_links(limit, most, count), -most, -count)
            if best is None or rank < best[0]:
                best = rank, [kin]
            elif rank == best[0]:
                best[1].append(kin)
        if best is None:
            return None
        (left, most, count), equals = best
        return Tight(left, min(kin.fullest() for kin in equals), -most, -count)

    def _new(self, inodes: list[int], links: Mapping[int, int]) -> Kin:
        counts = Counter(map(links.__getitem__, inodes))
        usual = max(counts, key=lambda n: (counts[n], n))
        odd = {i: links[i] - usual for i in inodes if links[i] != usual}
        kin = Kin(dict.fromkeys(inodes), usual, odd)
        self.kins[kin] = None
        self.kin_of.update(dict.fromkeys(inodes, kin))
        return kin

    def _part(self, kin: Kin, inodes: list[int]) -> Kin:
        """Part these members from their kin, unless they are all of it."""
        if len(inodes) == len(kin.members):
            return kin
        part = Kin(dict.fromkeys(inodes), kin.links, holders=dict(kin.holders))
        self.kins[part] = None
        self.kin_of.update(dict.fromkeys(inodes, part))
        for inode in inodes:
            del kin.members[inode]
            if inode in kin.odd:
                part.odd[inode] = kin.odd.pop(inode)
            if inode in kin.places:
                part.places[inode] = kin.places.pop(inode)
        kin.forget_fullest()
        for layer in part.holders:
            self.held[layer].append(part)
        return part


def link_counts(kins: Iterable[Kin]) -> Counter[int]:
    """Count inodes by their links."""
    counts: Counter[int] = Counter()
    for kin in kins:
        counts[kin.links] += len(kin.members) - len(kin.odd)
        for surplus in kin.odd.values():
            counts[kin.links + surplus] += 1
    counts.pop(0, None)
    return +counts


def inodes_over(counts: Mapping[int, int]) -> dict[int, int]:
    """Tell how many inodes have more links than each bound of `LINKS_OVER`."""
    return {bound: sum(n for links, n in counts.items() if links > bound) for bound in LINKS_OVER}
