"""The nouns of the whole program: frozen values that every other module makes or reads.

Nothing here touches a disk, a clock or the network. Words are those of Docker and of
the kernel: layer, chain id, inode, link count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

DEPTH_LIMIT: Final = 125
"""Most layers in one chain. Source: moby `layer/layer_store.go`, `maxLayerDepth`."""

LINKS_OVER: Final = (1, 10, 100, 1000, 10000, 50000)
"""Bounds by which distinct inodes are counted: inodes with MORE links than each."""


class Kind(StrEnum):
    """What a folder of a driver is."""

    IMAGE = "image"  # layerdb knows it
    CONTAINER = "container"  # the writable layer of a container, or its `-init` layer
    BUILDKIT = "buildkit"  # made by BuildKit, known only to its own database
    PARTIAL = "partial"  # being made or being removed
    ORPHAN = "orphan"  # nothing refers to it and it is not young


class Resource(StrEnum):
    """What can run out when layers are stacked."""

    LINKS = "links"
    INODES = "inodes"
    DEPTH = "depth"


class Reason(StrEnum):
    """Why something of a root could not be told. Each is a label value of `hardlink_problems`."""

    ROOT = "root"  # the root is gone, unreadable or not a storage root
    UNREADABLE = "unreadable"  # a folder or file exists but cannot be read
    LINEAGE = "lineage"  # layerdb is broken here: garbage, a missing parent, a loop
    IMAGE = "image"  # imagedb or repositories.json is broken here
    CHANGED = "changed"  # a layer changed under our eyes each time we counted it
    DRIFT = "drift"  # what was kept of a layer differed from a new count of it
    TAR_SPLIT = "tar_split"  # the engine's record of a layer's archive is damaged or unreadable
    MOUNT = "mount"  # another mount hides a part of a layer
    LIMIT_UNKNOWN = "limit_unknown"  # the links limit of this filesystem is not known
    LIMIT_EXCEEDED = "limit_exceeded"  # the links limit set by hand is below today's links


@dataclass(frozen=True, slots=True)
class Problem:
    """Expected trouble, as a value: an address, one clear sentence, and its class."""

    where: str
    what: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Root:
    """One storage root.

    `path` is the host's path, which is what people and labels see; `seen` the same folder below
    `--path.rootfs`, before the host's symlinks are followed. `links_limits` are those set by hand,
    by the path of a root. Nothing here was asked of the disk: the root may lie on a dead mount.
    """

    path: str
    seen: Path
    discovered: bool = False
    links_limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinksLimit:
    """The most links one inode may have.

    `value` is None where it is unknown (`source` "none") and where the filesystem has no
    such limit (`bounded` False).
    """

    value: int | None
    source: str
    bounded: bool = True


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """One entry of layerdb: a chain id, the driver's folder that holds it, its parent's chain id."""

    chain: str
    cache_id: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image as `docker images` would show it; `chains` runs from the base to the top."""

    id: str
    chains: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """All that `image/<driver>/` says: who stands on whom, and under which name.

    `mounts` gives each container's folders, by its own id; `parents` the image each image was
    built from, where that is known; `removing` the time of each removal under way, by folder. `unread` counts the entries of layerdb that are there but could not be
    understood; `readable` is whether layerdb could be listed at all.
    """

    layers: Mapping[str, LayerRecord] = field(default_factory=dict)
    images: tuple[ImageRecord, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    removing: Mapping[str, float] = field(default_factory=dict)
    unread: int = 0
    readable: bool = True
    problems: tuple[Problem, ...] = ()

    @property
    def mount_ids(self) -> frozenset[str]:
        """The folders of all containers."""
        return frozenset().union(*self.mounts.values())


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a driver's home, before anyone has said what it is.

    `trees` are its sub-folders that hold files of a layer; `stacked` is the one whose
    names a child layer links again, if any. `changed` is a unix time. A folder that is not
    `readable` has no trees for us.
    """

    id: str
    trees: tuple[str, ...]
    stacked: str | None
    half_made: bool
    writable: bool
    changed: float
    readable: bool = True


LayersLeft = Mapping[Resource, int | None]
"""Layers left by resource. No key: it cannot run out. None: it can, but is not known."""


@dataclass(frozen=True, slots=True)
class Tightest:
    """The inode that gives a layer's layers left by links, which is `left`.

    `path` is absolute inside the image.
    """

    left: int
    layer: str
    inode: int
    links: int
    names: int
    path: str


@dataclass(frozen=True, slots=True)
class ImageFigures:
    """One image's row: `layers_left` of its top layer, `chain_layers_left` the least over its chain."""

    id: str
    names: tuple[str, ...]
    depth: int
    layers_left: LayersLeft
    chain_layers_left: LayersLeft | None
    tightest: Tightest | None

    @property
    def name(self) -> str | None:
        """The first tag, or None for an image without one."""
        return self.names[0] if self.names else None

    @property
    def known_as(self) -> str:
        """The first tag, or the id: what a person can hand to `docker rmi`."""
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class FullPass:
    """One pass over a whole root: how long it took, what it met, and the unix time of its end."""

    seconds: float
    entries: int
    finished: float


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """How the figures came about.

    `looked` is the unix time when they were last known to be current; `full` the newest full
    pass, None before its end.
    """

    complete: bool
    coverage: float
    looked: float
    full: FullPass | None = None


@dataclass(frozen=True, slots=True)
class RootReport:
    """Everything known of one driver of one root. `driver` is None for a root that gave nothing."""

    root: str
    scan: ScanFacts
    driver: str | None = None
    up: bool = False
    fstype: str | None = None
    limit: LinksLimit = LinksLimit(None, "none")
    links_max: int | None = None
    inodes_over: Mapping[int, int] | None = None
    layers: Mapping[Kind, int] = field(default_factory=dict)
    depth_max: int | None = None
    layers_left: LayersLeft = field(default_factory=dict)
    tightest: Tightest | None = None
    tightest_images: tuple[str, ...] = ()
    images: tuple[ImageFigures, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def runs_out_first(self) -> Resource | None:
        """The resource with the fewest layers left; None where none is known."""
        known = {r: n for r, n in self.layers_left.items() if n is not None}
        return min(Resource, key=lambda r: known.get(r, 1 << 64)) if known else None


Reports = Sequence[RootReport]
