"""Bringing kin's link counts up to date by asking a few of their members.

The kernel counts links by itself; so after a layer of ten thousand names came or went, a few
stats for each kin tell everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from exporter.disk.count import Home
from exporter.thinking.kin import Kin, Kinship
from exporter.thinking.tree import Tree

PROBES: Final = 3
"""Members of each kin that are asked at each look: two that agree outvote a stranger's link."""

WATCHED: Final = 1000
"""Inodes of a root, the tightest first, that are each asked for their links at each look."""

_HOLDERS_TRIED: Final = 8

TreePath = Callable[[str], bytes]
"""Gives the place of a layer's tree below the driver's folder."""


def remember_places(held: Iterable[Kin], tree: Tree) -> None:
    """Remember where some members of each new kin of a layer can be asked for their links."""
    for kin in held:
        if len(kin.places) < min(PROBES, len(kin.members)):
            kin.places = {
                i: tree.raw_path_of(i) for i in islice(kin.members, WATCHED) if i in tree.first
            }


def settle(home: Home, kinship: Kinship, tree_path: TreePath) -> set[Kin]:
    """Ask some members of each kin for their links, and each of the tightest.

    Gives the kin whose links were other than known.
    """
    kins = list(kinship.kins)
    changed: set[Kin] = set()
    for kin in kins:
        if _stands_still(home, kin, tree_path):
            continue
        found = _ask(home, kin, islice(kin.places, PROBES), tree_path)
        if len({n - kin.links_of(inode) for inode, n in found.items()}) > 1:
            found = _ask(home, kin, kin.places, tree_path)
        if kin.told(found):
            changed.add(kin)
    limit = home.filesystem.limit.value
    if limit is None:
        return changed
    asked = 0
    for kin in sorted(kins, key=lambda kin: kin.left(limit)):
        if asked >= WATCHED:
            break
        some = list(islice(kin.places, WATCHED - asked))
        asked += len(some)
        if kin.told(_ask(home, kin, some, tree_path)):
            changed.add(kin)
    return changed


def _stands_still(home: Home, kin: Kin, tree_path: TreePath) -> bool:
    """Whether the first member has the links that it had; most looks see nothing else."""
    for inode in islice(kin.places, 1):
        return _ask(home, kin, (inode,), tree_path).get(inode) == kin.links_of(inode)
    return False


def _ask(home: Home, kin: Kin, inodes: Iterable[int], tree_path: TreePath) -> dict[int, int]:
    """Ask for the links of some of a kin's members, wherever one of their names still is."""
    found: dict[int, int] = {}
    for inode in inodes:
        for layer in islice(kin.holders, _HOLDERS_TRIED):
            links = home.links_of(inode, tree_path(layer) + kin.places[inode])
            if links is not None:
                found[inode] = links
                break
    return found
