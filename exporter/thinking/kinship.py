"""Who is whose kin: all kin of one root, parted as layers come that treat their members unlike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.thinking.headroom import Tight, left_by_links
from exporter.thinking.kin import Kin


@dataclass(slots=True)
class Kinship:
    """All kin of one root, and the layers that hold them."""

    kin_of: dict[int, Kin] = field(default_factory=dict)
    held: dict[str, list[Kin]] = field(default_factory=dict)
    kins: dict[Kin, None] = field(default_factory=dict)

    def add(
        self,
        layer: str,
        names: Mapping[int, int],
        links: Mapping[int, int],
        places: Mapping[int, bytes],
    ) -> list[Kin]:
        """Take in a layer, given its names by inode, and links and paths of inodes not yet known.

        Kin whose members this layer treats unlike are parted. Gives the kin of the layer.
        """
        groups: dict[tuple[Kin | None, int], list[int]] = defaultdict(list)
        for inode, key in zip(
            names, zip(map(self.kin_of.get, names), names.values(), strict=True), strict=True
        ):
            groups[key].append(inode)
        held = []
        for (kin, count), inodes in groups.items():
            part = self._part(kin, inodes) if kin else self._new(inodes, links, places)
            part.holders[layer] = count
            held.append(part)
        self.held[layer] = held
        return held

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
            part = self._part(kin, inodes) if kin else self._new(inodes, links, places)
            counts[part] = count
        for kin in self.held[source]:
            counts.setdefault(kin, kin.holders[source])
        for kin, count in counts.items():
            if count:
                kin.holders[layer] = count
        self.held[layer] = [kin for kin, count in counts.items() if count]

    def remove(self, layer: str) -> None:
        """Forget a layer, and the kin that no layer holds any more."""
        for kin in self.held.pop(layer, ()):
            del kin.holders[layer]
            if not kin.holders:
                del self.kins[kin]
                for inode in kin.members:
                    del self.kin_of[inode]

    def differing(self, other: Kinship) -> set[str]:
        """Give the layers, of those that both hold, in which some inode has other names than there.

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

    def _new(self, inodes: list[int], links: Mapping[int, int], places: Mapping[int, bytes]) -> Kin:
        counts = Counter(map(links.__getitem__, inodes))
        usual = max(counts, key=lambda n: (counts[n], n))
        odd = {i: links[i] - usual for i in inodes if links[i] != usual}
        kin = Kin({inode: places[inode] for inode in inodes}, usual, odd)
        self.kins[kin] = None
        self.kin_of.update(dict.fromkeys(inodes, kin))
        return kin

    def _part(self, kin: Kin, inodes: list[int]) -> Kin:
        """Part these members from their kin, unless they are all of it."""
        if len(inodes) == len(kin.members):
            return kin
        part = Kin({}, kin.links, holders=dict(kin.holders), silent=kin.silent)
        self.kins[part] = None
        self.kin_of.update(dict.fromkeys(inodes, part))
        for inode in inodes:
            part.members[inode] = kin.members.pop(inode)
            if inode in kin.odd:
                part.odd[inode] = kin.odd.pop(inode)
        kin.forget_fullest()
        for layer in part.holders:
            self.held[layer].append(part)
        return part
