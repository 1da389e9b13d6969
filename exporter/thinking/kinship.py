"""Who is whose kin: all kin of one root, parted as layers come that treat their members unlike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from exporter.thinking.headroom import Tight, left_by_links
from exporter.thinking.kin import Kin


@dataclass(slots=True)
class Kinship:
    """All kin of one root, and the layers that hold them.

    `unplaced` are the kin whose members' paths may be in none of their layers: the layer in
    which they were seen has gone.
    """

    kin_of: dict[int, Kin] = field(default_factory=dict)
    held: dict[str, list[Kin]] = field(default_factory=dict)
    kins: dict[Kin, None] = field(default_factory=dict)
    unplaced: set[Kin] = field(default_factory=set)

    def add(
        self,
        layer: str,
        names: Mapping[int, int],
        links: Mapping[int, int],
        places: Mapping[int, bytes],
    ) -> list[Kin]:
        """Take in a layer, given its names by inode, and links and paths of inodes not yet known.

        `places` may hold the paths of known inodes too: then they are those from now on. Kin
        whose members this layer treats unlike are parted. Gives the kin of the layer.
        """
        groups: dict[tuple[Kin | None, int], list[int]] = defaultdict(list)
        for inode, key in zip(
            names, zip(map(self.kin_of.get, names), names.values(), strict=True), strict=True
        ):
            groups[key].append(inode)
        held = []
        for (kin, count), inodes in groups.items():
            part = self._part(kin, inodes) if kin else self._new(layer, inodes, links, places)
            part.hold(layer, count)
            if part in self.unplaced and part.members.keys() <= places.keys():
                part.members = {inode: places[inode] for inode in part.members}
                part.seen_in = layer
                self.unplaced.discard(part)
            held.append(part)
        self.held[layer] = held
        return held

    def replace(
        self,
        layer: str,
        names: Mapping[int, int],
        links: Mapping[int, int],
        places: Mapping[int, bytes],
    ) -> list[Kin]:
        """Take in a layer that was counted again, in the place of what was known of it."""
        self.remove(layer)
        return self.add(layer, names, links, places)

    def names_in(self, layer: str) -> dict[int, int]:
        """How many names of each inode a layer has."""
        held = self.held.get(layer, ())
        return {inode: kin.holders[layer] for kin in held for inode in kin.members}

    def known(self, layer: str) -> Container[int]:
        """The inodes whose links and paths a walk of this layer need not tell."""
        renewed = {kin for kin in self.held.get(layer, ()) if kin.seen_in == layer}
        renewed |= self.unplaced
        return _AllBut(self.kin_of, renewed) if renewed else self.kin_of

    def derive(
        self,
        layer: str,
        source: str,
        moves: Mapping[int, int],
        links: Mapping[int, int],
        places: Mapping[int, bytes],
    ) -> None:
        """Take in a layer that has the names of another but for some more or fewer, by inode.

        Raises ValueError where the other layer has not the names that are to be fewer.
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
            part = self._part(kin, inodes) if kin else self._new(layer, inodes, links, places)
            counts[part] = count
        for kin in self.held[source]:
            counts.setdefault(kin, kin.holders[source])
        for kin, count in counts.items():
            if count:
                kin.hold(layer, count)
        self.held[layer] = [kin for kin, count in counts.items() if count]

    def remove(self, layer: str) -> None:
        """Forget a layer, and the kin that no layer holds any more."""
        for kin in self.held.pop(layer, ()):
            kin.release(layer)
            if not kin.holders:
                del self.kins[kin]
                self.unplaced.discard(kin)
                for inode in kin.members:
                    del self.kin_of[inode]
            elif kin.seen_in is None:
                self.unplaced.add(kin)

    def differing(self, other: Kinship) -> set[str]:
        """The layers, of those that both hold, in which some inode has other names than there.

        And those that hold kin of which most have other links: what strangers do concerns a few.
        """
        both = self.held.keys() & other.held.keys()
        found: set[str] = set()
        for kin in self.kins:
            others = Counter(map(other.kin_of.get, kin.members))
            holders = {id: n for id, n in kin.holders.items() if id in both}
            for counted in others:
                theirs = counted.holders if counted else {}
                found |= {
                    id
                    for id in both & (holders.keys() | theirs.keys())
                    if holders.get(id, 0) != theirs.get(id, 0)
                }
            known = [(inode, other.kin_of[inode]) for inode in kin.members if inode in other.kin_of]
            same = sum(them.links_of(inode) == kin.links_of(inode) for inode, them in known)
            if 2 * same < len(known):
                found |= holders.keys()
        return found

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

    def _new(
        self,
        layer: str,
        inodes: list[int],
        links: Mapping[int, int],
        places: Mapping[int, bytes],
    ) -> Kin:
        counts = Counter(map(links.__getitem__, inodes))
        usual = max(counts, key=lambda n: (counts[n], n))
        odd = {i: links[i] - usual for i in inodes if links[i] != usual}
        kin = Kin({inode: places[inode] for inode in inodes}, usual, odd, seen_in=layer)
        self.kins[kin] = None
        self.kin_of.update(dict.fromkeys(inodes, kin))
        return kin

    def _part(self, kin: Kin, inodes: list[int]) -> Kin:
        """Part these members from their kin, unless they are all of it."""
        if len(inodes) == len(kin.members):
            return kin
        part = Kin({}, kin.links, {}, dict(kin.holders), kin.seen_in, kin.names)
        self.kins[part] = None
        if kin in self.unplaced:
            self.unplaced.add(part)
        self.kin_of.update(dict.fromkeys(inodes, part))
        for inode in inodes:
            part.members[inode] = kin.members.pop(inode)
            if inode in kin.odd:
                part.odd[inode] = kin.odd.pop(inode)
        if kin.unasked:
            part.unasked = kin.unasked.intersection(inodes)
            kin.unasked -= part.unasked
        kin.forget_fullest()
        for layer in part.holders:
            self.held[layer].append(part)
        return part


@dataclass(frozen=True, slots=True)
class _AllBut:
    """The known inodes but for those of some kin."""

    kin_of: Mapping[int, Kin]
    others: set[Kin]

    def __contains__(self, inode: object) -> bool:
        kin = self.kin_of.get(inode)  # type: ignore[call-overload]
        return kin is not None and kin not in self.others
