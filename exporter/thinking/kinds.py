"""What a folder of a driver is, told from its shape and from who refers to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from exporter.model import Folder, Kind, Lineage

YOUNG_SECONDS: Final = 3600.0
"""A folder that nothing refers to is being made or removed, not orphaned, for this long.

The engine writes layerdb only after the whole layer is unpacked, which takes minutes for a
large base on a slow disk; an hour is beyond any we know of.
"""

_BUILDKIT_ID: Final = re.compile(r"[0-9a-z]{25}")
"""BuildKit's ids: moby `builder/builder-next/adapters/snapshot` uses 25 random characters."""


@dataclass(frozen=True, slots=True)
class References:
    """The folders that the engine's own records name. `removing` gives the time of each removal."""

    layers: frozenset[str]
    mounts: frozenset[str]
    removing: dict[str, float]

    @classmethod
    def of(cls, lineage: Lineage) -> References:
        """Collect them from what was read."""
        return cls(
            frozenset(layer.cache_id for layer in lineage.layers.values()),
            lineage.mount_ids,
            dict(lineage.removing),
        )


def kind_of(folder: Folder, references: References, now: float) -> Kind:
    """Say what a folder is at the unix time `now`."""
    if folder.id in references.layers:
        return Kind.IMAGE
    if folder.id in references.mounts:
        return Kind.CONTAINER
    if _BUILDKIT_ID.fullmatch(folder.id):
        return Kind.BUILDKIT
    if folder.half_made:
        return Kind.PARTIAL
    since = max(folder.changed, references.removing.get(folder.id, 0.0))
    if now - since >= YOUNG_SECONDS:
        return Kind.ORPHAN
    return Kind.CONTAINER if folder.writable else Kind.PARTIAL
