"""The smallest name of an inode in a layer, for people: found without a walk where that can be."""

from __future__ import annotations

from exporter.disk.count import Home
from exporter.looking.ledger import Kept, Ledger
from exporter.model import Folder
from exporter.text import shown_name


def path_of(ledger: Ledger, home: Home, id: str, inode: int) -> str:
    """The smallest name of an inode in an image layer's tree, absolute inside the image."""
    kept = ledger.kept[id]
    if inode not in kept.paths:
        walked = _walked_source(ledger, id, inode)
        if inode not in ledger.kept[walked].paths:
            ledger.kept[walked].paths[inode] = _find(
                ledger, home, ledger.kept[walked].folder, inode
            )
        told = _told_by_sources(ledger, home, id, inode)
        there = told is not None and _is_at(ledger, home, id, inode, told)
        kept.paths[inode] = told if told and there else _find(ledger, home, kept.folder, inode)
    return shown_name(kept.paths[inode])


def _walked_source(ledger: Ledger, id: str, inode: int) -> str:
    """The farthest layer that this one was told from and that has the inode too.

    What is searched for there, once, tells the name in all that were told from it.
    """
    holders = ledger.kinship.kin_of[inode].holders
    met = {id}
    while (source := ledger.kept[id].source) in holders and source in ledger.kept:
        if source in met:
            break
        met.add(source)
        id = source
    return id


def _told_by_sources(ledger: Ledger, home: Home, id: str, inode: int) -> bytes | None:
    """Follow an inode's smallest name from the layers that this one was told from."""
    holders = ledger.kinship.kin_of[inode].holders
    steps: dict[str, Kept] = {}
    path: bytes | None = None
    while inode not in ledger.kept[id].paths:
        steps[id] = step = ledger.kept[id]
        if step.source not in ledger.kinship.held or step.source in steps:
            return None
        if step.source not in holders:
            break
        id = step.source
    else:
        path = ledger.kept[id].paths[inode]
    for id, step in reversed(steps.items()):
        if inode in step.moved:
            if path and not _is_at(ledger, home, id, inode, path):
                return None  # the smallest went, and the second is not known
            path = min(filter(None, (path, step.moved[inode])), default=None)
    return path


def _find(ledger: Ledger, home: Home, folder: Folder, inode: int) -> bytes:
    """Find the smallest name of an inode that was not the tightest when its layer was walked."""
    kin = ledger.kinship.kin_of[inode]
    place = kin.members[inode]
    if kin.holders[folder.id] == 1 and _is_at(ledger, home, folder.id, inode, place):
        return place
    ledger.searched[folder.id] += 1
    tree = home.count(folder, ledger.kinship.kin_of).tree
    return tree.raw_path_of(inode) if tree is not None and inode in tree.first else b"?"


def _is_at(ledger: Ledger, home: Home, id: str, inode: int, path: bytes) -> bool:
    """Whether an inode has this name in a layer now."""
    return isinstance(home.ask(inode, ledger.tree_path(id) + path), int)
