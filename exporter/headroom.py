"""Layers left: the one figure this project exists for, as arithmetic.

Docker's overlay driver links every name of the parent's tree again for each child layer
(moby `daemon/graphdriver/copy/copy.go`, `DirCopy` in hard-link mode), so an inode with
`names` names in a layer gains `names` links for each layer stacked on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.model import DEPTH_LIMIT, LayersLeft, Resource


@dataclass(frozen=True, slots=True)
class Tight:
    """The inode that decides a layer's layers left, with the figures that decide it."""

    left: int
    inode: int
    links: int
    names: int


def left_by_links(limit: int, links: int, names: int) -> int:
    """How many more layers fit, seen from one inode; 0 when `links` is beyond `limit`."""
    return max(0, limit - links) // names


def tightest(names: Mapping[int, int], links: Mapping[int, int], limit: int) -> Tight | None:
    """Find the inode with the fewest layers left, or None when there is no regular file.

    Among equals the one with most links is told, then most names, then the lowest number,
    so that the answer does not depend on the order of the walk. An inode whose links are
    not known (it vanished between readdir and stat) is passed over.
    """
    best: tuple[int, int, int, int] | None = None
    for inode, count in names.items():
        held = links.get(inode)
        if held is None:
            continue
        left = max(0, limit - held) // count
        if best is None or left <= best[0]:
            candidate = (left, -held, -count, inode)
            if best is None or candidate < best:
                best = candidate
    return Tight(best[0], best[3], -best[1], -best[2]) if best else None


def left_by_depth(depth: int) -> int:
    """How many more layers the engine lets one stack on a layer of this depth."""
    return max(0, DEPTH_LIMIT - depth)


def left_by_inodes(free: int, cost: int) -> int:
    """How many more layers fit in `free` inodes when each costs `cost`."""
    return free // cost


def least(parts: Iterable[LayersLeft]) -> LayersLeft:
    """Combine layers left of several layers: the least of each resource.

    A resource that is unknown in any part is unknown in the whole; one that no part has
    cannot run out.
    """
    whole: dict[Resource, int | None] = {}
    for part in parts:
        for resource, n in part.items():
            seen = whole.get(resource, n)
            whole[resource] = None if seen is None or n is None else min(seen, n)
    return {r: whole[r] for r in Resource if r in whole}
