"""Layers left: the one figure this project exists for, as arithmetic.

Docker's overlay driver links every name of the parent's tree again for each child layer
(moby `daemon/graphdriver/copy/copy.go`, `DirCopy` in hard-link mode), so an inode with
`names` names in a layer gains `names` links for each layer stacked on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Final

from exporter.model import DEPTH_LIMIT, LayersLeft, Resource

STEP_KEEPS: Final = 12
"""Inodes that a classic build of one COPY step of one file keeps, besides the tree it links again.

    overlay/<id>/                         1  daemon/graphdriver/overlay/overlay.go, Create
    overlay/<id>/root/<file>              1  pkg/archive/diff.go, UnpackLayer
    image/overlay/layerdb/sha256/<chain>/ 6  layer/filestore.go: the folder, cache-id, diff,
                                             parent, size, tar-split.json.gz
    imagedb/content/sha256/<image>        1  image/fs.go, Set
    imagedb/metadata/sha256/<image>/      3  image/fs.go, SetMetadata: the folder, parent, and
                                             lastUpdated, which comes with the tag

Paths of moby v20.10.24. Measured on that engine: `statvfs` before and after a step, on ext4 and
tmpfs, with trees of 1 to 3,000 directories. Steps of one build, which has one tag, keep 11 each.
"""

STEP_PEAK: Final = 24
"""Inodes that must be free for such a step, besides the tree: 11 of the above, and for a moment

    tmp/docker-builder<n>/                3  builder/remotecontext/archive.go, FromArchive: the
                                             folder, Dockerfile, the file
    overlay/<rw>/                         5  the folder, lower-id, upper, work, merged
    overlay/<rw>/upper/<file>             1  builder/dockerfile/copy.go, performCopyForInfo
    overlay/<rw>/work/work                1  Linux fs/overlayfs/super.c, ovl_workdir_create
    image/overlay/layerdb/mounts/<rw>/    3  layer/filestore.go: the folder, mount-id, parent

All of these stay until the image's `parent` is written, which is the peak; they are gone when the
tag is written. What the step makes and removes before (upper, work and lower-id of the new layer,
`.pivot_root<n>`, `temp-docker-extract<n>`) never exceeds that. Measured on the same engine: with
so many free inodes the step succeeds, with one fewer it fails.
"""

XATTR_PEAK: Final = 1
"""One more on tmpfs, whose inodes and extended attributes share one account of bytes.

Since Linux 6.6 a mount of overlayfs gives its upper folder `trusted.overlay.uuid`, and tmpfs
takes its bytes from the room for inodes (mm/shmem.c, shmem_xattr_handler_set): there is one whole
inode fewer. An older kernel has that inode to spare.
"""


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


def left_by_inodes(free: int, tree: int, *, names_cost: bool = False) -> int:
    """How many more classic COPY steps of one file fit in `free` inodes, each on the last.

    `tree` is what linking the layer's tree again takes. Each step but the last needs
    `tree + STEP_KEEPS` inodes, the last `tree + STEP_PEAK`. With `names_cost` each name takes an
    inode, so each file added is one more in every later layer: `n * (n - 1) / 2` in `n` steps.
    """
    each = tree + STEP_KEEPS
    room = max(0, free - (STEP_PEAK - STEP_KEEPS))
    if not names_cost:
        return room // each
    room = max(0, room - XATTR_PEAK)
    linear = 2 * each - 1  # the largest n with n * n + linear * n <= 2 * room
    return (isqrt(linear * linear + 8 * room) - linear) // 2


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


def least_of_chains(
    chains: Iterable[Sequence[str]], left: Mapping[str, LayersLeft]
) -> dict[str, LayersLeft]:
    """The least left of a layer and all below it, by chain id, where all of these are in `left`.

    `chains` are those of images, base first.
    """
    found: dict[str, LayersLeft] = {}
    for chain in chains:
        below: LayersLeft = {}
        for id in chain:
            if id not in found:
                if id not in left:
                    break
                found[id] = least([below, left[id]])
            below = found[id]
    return found
