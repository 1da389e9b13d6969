"""From what was counted to a report: all thinking, no disk.

A layer has its own figures (`LayerFigures`), an image those of its top layer, a root the
least over all its image layers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from exporter.model import (
    DEPTH_LIMIT,
    Folder,
    ImageFigures,
    ImageRecord,
    Kind,
    LayerRecord,
    LayersLeft,
    Lineage,
    Problem,
    Reason,
    Resource,
    Tightest,
)
from exporter.thinking.chains import depths, standing_on
from exporter.thinking.headroom import (
    Tight,
    least,
    least_of_chains,
    left_by_depth,
    left_by_inodes,
)
from exporter.thinking.tree import INODE_BITS

MOST_PROBLEMS: Final = 200
"""Problems of one reason that are told one by one; a hostile image could make millions."""

_NO_LAYER: Final = ""
"""Stands for the top layer's chain id of an image without layers."""


@dataclass(frozen=True, slots=True)
class LayerFigures:
    """What counting one folder gave.

    `tight` is of its stacked tree, None where it has none or the limit is not known; `cost`
    the inodes that linking that tree again takes. `changed`: not all of it was seen, because it
    vanished or moved while we looked. `doubted`: something proved to be other than it was counted.
    """

    folder: Folder
    has_files: bool = False
    tight: Tight | None = None
    cost: int | None = None
    changed: bool = False
    doubted: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether these figures are those of the whole layer."""
        trouble = self.changed or self.doubted or self.problems
        return not trouble and bool(self.folder.trees)

    def with_tight(self, tight: Tight | None) -> LayerFigures:
        """The same figures with this tightest inode."""
        return replace(self, tight=tight)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a whole root: what can run out besides depth, and how many inodes are free.

    `names_cost`: each name takes an inode.
    """

    can_run_out: frozenset[Resource]
    inodes_free: int = 0
    names_cost: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What figures are told with.

    `home` is the driver's path on the host, for problems; `path_of` gives the smallest name
    of an inode in the layer of a folder.
    """

    home: str
    path_of: Callable[[str, int], str]

    def tightest(self, folder: str, tight: Tight) -> Tightest:
        """Name a layer's tightest inode."""
        inode = tight.inode & ((1 << INODE_BITS) - 1)
        path = self.path_of(folder, tight.inode)
        return Tightest(tight.left, folder, inode, tight.links, tight.names, path)


@dataclass(frozen=True, slots=True)
class Findings:
    """The figures of one driver of one root, each as the report has it."""

    layers: Mapping[Kind, int]
    depth_max: int | None
    layers_left: LayersLeft
    tightest: Tightest | None
    tightest_images: tuple[str, ...]
    images: tuple[ImageFigures, ...]
    coverage: float
    problems: tuple[Problem, ...]


def findings(
    lineage: Lineage,
    kinds: Mapping[str, Kind],
    counted: Mapping[str, LayerFigures],
    terms: Terms,
    words: Words,
) -> Findings:
    """Put together what is known. `kinds` and `counted` are by folder."""
    depth, counts = depths(lineage.layers), Counter(kinds.values())
    present = [r for r in lineage.layers.values() if r.cache_id in kinds]
    figures = {r.chain: counted[r.cache_id] for r in present if r.cache_id in counted}
    whole = {chain: f for chain, f in figures.items() if f.whole}
    depths_told = [*depth.values(), *(len(image.chains) for image in lineage.images)]
    depth_max = max(depths_told, default=0 if lineage.readable else None)
    sure = {chain: f for chain, f in figures.items() if not f.doubted}
    tight = min(
        ((f.tight, chain) for chain, f in sure.items() if f.tight is not None),
        key=lambda pair: _tightness(pair[0], pair[1], depth),
        default=None,
    )
    left = {chain: _left(f, terms) for chain, f in sure.items()}
    unknown: LayersLeft = dict.fromkeys(terms.can_run_out) if len(sure) < len(figures) else {}
    tops = {chain: left[chain] for chain in whole} | {_NO_LAYER: {}}
    chains = least_of_chains((i.chains for i in lineage.images), tops) | {_NO_LAYER: {}}
    images = [_image(image, whole, tops, chains, terms, words) for image in lineage.images]
    return Findings(
        layers={kind: counts[kind] for kind in Kind},
        depth_max=depth_max,
        layers_left={**unknown, **least([*left.values(), _by_depth(depth_max)])},
        tightest=words.tightest(lineage.layers[tight[1]].cache_id, tight[0]) if tight else None,
        tightest_images=_names(standing_on(lineage.images, tight[1])) if tight else (),
        images=tuple(sorted(images, key=_order)),
        coverage=_coverage(len(whole), len(present) + lineage.unread, lineage.readable),
        problems=tuple(_layer_problems(lineage.layers.values(), kinds, figures, words.home)),
    )


def bounded(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Keep the first `MOST_PROBLEMS` of each reason, and tell how many more there were."""
    kept: list[Problem] = []
    seen: Counter[Reason] = Counter()
    for problem in problems:
        seen[problem.reason] += 1
        if seen[problem.reason] <= MOST_PROBLEMS:
            kept.append(problem)
    kept += (
        Problem("", f"and {n - MOST_PROBLEMS} more problems like these", reason)
        for reason, n in seen.items()
        if n > MOST_PROBLEMS
    )
    return tuple(kept)


def _left(figures: LayerFigures, terms: Terms) -> LayersLeft:
    """Layers left of one layer, but for depth."""
    left: dict[Resource, int | None] = {}
    if figures.has_files and Resource.LINKS in terms.can_run_out:
        left[Resource.LINKS] = figures.tight.left if figures.tight else None
    if figures.cost is not None and Resource.INODES in terms.can_run_out:
        left[Resource.INODES] = left_by_inodes(
            terms.inodes_free, figures.cost, names_cost=terms.names_cost
        )
    return left


def _coverage(whole: int, present: int, readable: bool) -> float:
    """The part of the image layers that is accounted for; none where nobody knows them."""
    if not readable:
        return 0.0
    return whole / present if present else 1.0


def _by_depth(depth: int | None) -> LayersLeft:
    return {Resource.DEPTH: None if depth is None else left_by_depth(depth)}


def _image(
    image: ImageRecord,
    whole: Mapping[str, LayerFigures],
    tops: Mapping[str, LayersLeft],
    chains: Mapping[str, LayersLeft],
    terms: Terms,
    words: Words,
) -> ImageFigures:
    by_depth = _by_depth(len(image.chains))
    chain = image.chains[-1] if image.chains else _NO_LAYER
    top = whole.get(chain)
    return ImageFigures(
        id=image.id,
        names=image.tags,
        depth=len(image.chains),
        layers_left=least([by_depth, tops.get(chain, dict.fromkeys(terms.can_run_out))]),
        chain_layers_left=least([by_depth, chains[chain]]) if chain in chains else None,
        tightest=words.tightest(top.folder.id, top.tight) if top and top.tight else None,
    )


def _tightness(tight: Tight, chain: str, depth: Mapping[str, int]) -> tuple[int | str, ...]:
    """Order layers, tightest first; among equals the lowest, on which the most images stand."""
    return tight.left, -tight.links, -tight.names, depth.get(chain, DEPTH_LIMIT), chain


def _order(image: ImageFigures) -> tuple[float, float, float, str]:
    """Order images: tightest first, those of which nothing is known last."""
    known = [image.layers_left.get(r) for r in Resource]
    links, inodes, deep = (float("inf") if n is None else float(n) for n in known)
    return links, inodes, deep, image.known_as


def _names(images: Sequence[ImageRecord]) -> tuple[str, ...]:
    return tuple(sorted(image.tags[0] if image.tags else image.id for image in images))


def _layer_problems(
    layers: Iterable[LayerRecord],
    kinds: Mapping[str, Kind],
    figures: Mapping[str, LayerFigures],
    home: str,
) -> Iterable[Problem]:
    for layer in layers:
        place = f"{home}/{layer.cache_id}"
        if layer.cache_id not in kinds:
            what = f"this folder of the layer {layer.chain} is not there"
            yield Problem(place, what, Reason.LINEAGE)
        elif layer.chain in figures and not figures[layer.chain].folder.readable:
            continue  # told already
        elif layer.chain in figures and not figures[layer.chain].folder.trees:
            yield Problem(place, "this folder of a layer holds no tree", Reason.LINEAGE)
        elif layer.chain in figures and figures[layer.chain].changed:
            yield Problem(place, "the layer changed each time it was counted", Reason.CHANGED)
