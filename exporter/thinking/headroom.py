"""Layers left: the one figure this project exists for, as arithmetic.

Docker's overlay driver links every name of the parent's tree again for each child layer
(moby `daemon/graphdriver/copy/copy.go`, `DirCopy` in hard-link mode), so an inode with
`names` names in a layer gains `names` links for each layer stacked on it.
"""

from __future__ import annotations

from collections.abc import Iterable
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
