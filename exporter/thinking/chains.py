"""Lineage as arithmetic: chain ids, depth, and which images are shown.

Sources: moby `layer/layer.go` (`createChainIDFromParent`), `layer/layer_store.go`
(`maxLayerDepth`), `daemon/images/images.go` (which images `docker images` lists).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from exporter.model import ImageRecord, LayerRecord


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """Turn an image's diff ids (base first) into the chain ids of its layers.

    The first chain id is the first diff id; each further one is the SHA-256 of the text
    `"<chain below> <diff>"`, both with their `sha256:` prefix.
    """
    chains: list[str] = []
    for diff in diff_ids:
        below = f"{chains[-1]} {diff}" if chains else None
        chains.append(diff if below is None else f"sha256:{sha256(below.encode()).hexdigest()}")
    return tuple(chains)


def depths(layers: Mapping[str, LayerRecord]) -> dict[str, int]:
    """Number the layers of each chain from the base (1) up.

    A layer that stands on a missing parent or on a loop has no depth and is left out.
    """
    known: dict[str, int] = {}
    for chain in layers:
        path = [chain]
        met = {chain}
        while (parent := layers[path[-1]].parent) is not None:
            if parent in known or parent in met or parent not in layers:
                break
            path.append(parent)
            met.add(parent)
        if parent is not None and parent not in known:
            continue
        below = known[parent] if parent is not None else 0
        known |= {link: below + i for i, link in enumerate(reversed(path), start=1)}
    return known


def broken(layers: Mapping[str, LayerRecord]) -> Iterable[tuple[LayerRecord, str]]:
    """Yield each layer where a chain breaks, with what is wrong: a missing parent, or a loop."""
    known = depths(layers)
    for chain, layer in layers.items():
        if layer.parent is not None and layer.parent not in layers:
            yield layer, f"its parent {layer.parent} is not in layerdb"
        elif chain not in known and _in_loop(layers, chain):
            yield layer, "its chain of parents comes back to itself"


def _in_loop(layers: Mapping[str, LayerRecord], chain: str) -> bool:
    met: set[str] = set()
    step = layers[chain].parent
    while step is not None and step in layers and step not in met:
        if step == chain:
            return True
        met.add(step)
        step = layers[step].parent
    return False


def shown(
    diff_ids: Mapping[str, Sequence[str]],
    parents: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
) -> tuple[ImageRecord, ...]:
    """Choose the images that are rows: referred to, or named by no other image as its parent.

    `diff_ids` is by image id; `parents` maps an image to the image a classic build made it
    from; `references` maps an image to its tags and digests. The tags are those references
    that hold no `@`.
    """
    stepped_over = {parents[child] for child in parents if child in diff_ids}
    return tuple(
        ImageRecord(
            id=image,
            chains=chain_ids(diffs),
            tags=tuple(sorted(r for r in references.get(image, ()) if "@" not in r)),
        )
        for image, diffs in sorted(diff_ids.items())
        if image in references or image not in stepped_over
    )


def standing_on(images: Iterable[ImageRecord], chain: str) -> tuple[ImageRecord, ...]:
    """The images whose chain holds this layer."""
    return tuple(image for image in images if chain in image.chains)
