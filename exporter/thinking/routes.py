"""In which order layers are counted, and which of them by their difference to a counted one.

A child's tree is its parent's but for what its archive changed, and a parent's is its
child's likewise; so from one counted layer its whole family can be told, a small step at a
time. Costs are sizes of the engine's records of those changes: they grow with the names in
them, and those of a chain, summed up, with the names of its top's tree.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.model import LayerRecord

WALK_GAIN: Final = 4
"""So many names are walked in the time in which one name of a difference is looked up."""

Steps = list[tuple[str, str | None]]
"""Folders in the order in which they are to be counted, each with the one to count it from."""


@dataclass(slots=True)
class Family:
    """Who stands on whom, by folder, and what a step between them costs.

    `edges` leads from a folder to its neighbours; `walk` is the cost of walking a folder, in
    the same measure, None where it is not known.
    """

    edges: dict[str, dict[str, int]] = field(default_factory=dict)
    walk: dict[str, int | None] = field(default_factory=dict)

    def worth(self, folder: str, cost: int) -> bool:
        """Whether a difference of this cost is looked up faster than the folder is walked."""
        walk = self.walk.get(folder)
        return walk is None or cost * WALK_GAIN <= walk


def family_of(layers: Mapping[str, LayerRecord], sizes: Mapping[str, int]) -> Family:
    """Build it from layerdb and the sizes of its records of changes, both by chain id."""
    family = Family()
    for layer in layers.values():
        parent = layers.get(layer.parent or "")
        size = sizes.get(layer.chain)
        if parent is not None and size is not None:
            family.edges.setdefault(layer.cache_id, {})[parent.cache_id] = size
            family.edges.setdefault(parent.cache_id, {})[layer.cache_id] = size
    sums: dict[str, int | None] = {}
    for layer in layers.values():
        family.walk[layer.cache_id] = _sum_of_chain(layer, layers, sizes, sums)
    return family


def _sum_of_chain(
    layer: LayerRecord,
    layers: Mapping[str, LayerRecord],
    sizes: Mapping[str, int],
    sums: dict[str, int | None],
) -> int | None:
    """Sum up what the layers of a chain changed; None where one of them does not tell."""
    chain: list[str] = []
    step: LayerRecord | None = layer
    while step is not None and step.chain not in sums:
        sums[step.chain] = None  # a loop ends here
        chain.append(step.chain)
        if step.parent is None:
            break
        step = layers.get(step.parent)
    for name in reversed(chain):
        parent = layers[name].parent
        below, own = (sums.get(parent) if parent is not None else 0), sizes.get(name)
        sums[name] = None if below is None or own is None else below + own
    return sums[layer.chain]


def plan(family: Family, counted: Iterable[str], tops: Iterable[str], rest: Iterable[str]) -> Steps:
    """Put everything in order: first what leads to each of `tops`, then the `rest`.

    `counted` are the folders that others can be counted from.
    """
    known = set(counted)
    steps: Steps = []
    for top in tops:
        if top not in known:
            route = _route(family, top, known)
            steps += route
            known.update(folder for folder, _ in route)
    steps += _cheapest_first(family, known, [folder for folder in rest if folder not in known])
    return steps


def _route(family: Family, target: str, known: Collection[str]) -> Steps:
    """Find the cheapest way from a counted folder to this one, or walk it."""
    reached: dict[str, str | None] = {}
    heap: list[tuple[int, str, str | None]] = [(0, target, None)]
    while heap:
        cost, folder, towards = heapq.heappop(heap)
        if folder in reached or not family.worth(target, cost):
            continue
        reached[folder] = towards
        if folder in known:
            return list(_steps_from(folder, reached))
        for neighbour, size in family.edges.get(folder, {}).items():
            if neighbour not in reached:
                heapq.heappush(heap, (cost + size, neighbour, folder))
    return [(target, None)]


def _steps_from(known: str, reached: Mapping[str, str | None]) -> Iterator[tuple[str, str | None]]:
    """Go the way back to the folder that was looked for."""
    source, towards = known, reached[known]
    while towards is not None:
        yield towards, source
        source, towards = towards, reached[towards]


def _cheapest_first(family: Family, known: set[str], rest: list[str]) -> Steps:
    """Count what is cheap to tell from its neighbour first; walk where nothing leads to."""
    waiting = dict.fromkeys(rest)
    heap: list[tuple[int, str, str]] = []
    steps: Steps = []

    def count(folder: str, source: str | None) -> None:
        del waiting[folder]
        steps.append((folder, source))
        offer(folder)

    def offer(source: str) -> None:
        for folder, size in family.edges.get(source, {}).items():
            if folder in waiting and family.worth(folder, size):
                heapq.heappush(heap, (size, folder, source))

    for folder in known:
        offer(folder)
    while waiting:
        while heap:
            _, folder, source = heapq.heappop(heap)
            if folder in waiting:
                count(folder, source)
        if waiting:
            count(next(iter(waiting)), None)
    return steps
