"""Bringing kin's link counts up to date by asking a few of their members.

The kernel counts links by itself; so after a layer of ten thousand names came or went, a few
stats for each kin tell everything. Where those disagree, the engine is half way, or a stranger
was there: then all members of that kin are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Final

from exporter.disk.count import Home
from exporter.thinking.kin import Kin
from exporter.thinking.kinship import Kinship

PROBES: Final = 8
"""Members of a kin that are asked when the first or the last of them has moved."""

WATCHED = 1000
"""Inodes of a root, the tightest first, that are each asked for their links at each look."""

_TRIED: Final = 100
"""Members that are asked in vain before a kin is called silent."""

TreePath = Callable[[str], bytes]
"""Gives the place of a layer's tree below the driver's folder."""


def settle(home: Home, kinship: Kinship, tree_path: TreePath, *, still: bool = False) -> set[Kin]:
    """Ask some members of each kin for their links, and each of the tightest.

    Where the engine has been `still` only strangers may have made links: then the tightest are
    asked alone. Gives the kin whose links were other than known.
    """
    kins = () if still else kinship.kins
    changed = {kin for kin in kins if _moved(home, kin, tree_path)}
    limit = home.filesystem.limit.value
    if limit is not None:
        for kin, inodes in _tightest(kinship.kins, limit).items():
            if kin.noted(_ask(home, kin, inodes, tree_path)):
                changed.add(kin)
    return changed


def _moved(home: Home, kin: Kin, tree_path: TreePath) -> bool:
    """Ask the first and the last usual member and all odd ones, and more where one has moved."""
    ends = (
        inode
        for order in (iter(kin.members), reversed(kin.members))
        for inode in islice((inode for inode in order if inode not in kin.odd), 1)
    )
    found = _ask(home, kin, dict.fromkeys((*ends, *kin.odd)), tree_path)
    kin.silent = not found and not _ask(home, kin, islice(kin.members, _TRIED), tree_path)
    if kin.moves(found).keys() - {0}:
        step = max(1, len(kin.members) // PROBES)
        found |= _ask(home, kin, islice(kin.members, 0, None, step), tree_path)
    if len(kin.moves(found)) > 1:
        found = _ask(home, kin, kin.members, tree_path)
    return kin.told(found)


def _tightest(kins: Iterable[Kin], limit: int) -> dict[Kin, list[int]]:
    """Choose the inodes that allow the fewest layers; the usual members of a kin are all alike."""
    bulks = ((kin.left(limit), kin, None) for kin in kins if len(kin.odd) < len(kin.members))
    singles = ((kin.left(limit, inode), kin, inode) for kin in kins for inode in kin.odd)
    chosen: dict[Kin, list[int]] = {}
    room = WATCHED
    for _, kin, inode in sorted(chain(bulks, singles), key=lambda one: one[0]):
        if room <= 0:
            break
        usual = (i for i in kin.members if i not in kin.odd)
        some = list(islice(usual, room)) if inode is None else [inode]
        chosen.setdefault(kin, []).extend(some)
        room -= len(some)
    return chosen


def _ask(home: Home, kin: Kin, inodes: Iterable[int], tree_path: TreePath) -> dict[int, int]:
    """Ask for the links of some of a kin's members, wherever that name of theirs still is."""
    found: dict[int, int] = {}
    for inode in inodes:
        for layer in kin.holders:
            links = home.links_of(inode, tree_path(layer) + kin.members[inode])
            if links is not None:
                found[inode] = links
                break
    return found
