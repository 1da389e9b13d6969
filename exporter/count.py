"""Counting one folder of a driver: its trees are walked, and one of them gives its headroom."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from exporter.drivers import Driver
from exporter.findings import LayerFigures
from exporter.headroom import tightest
from exporter.ledger import Ledger
from exporter.limits import Filesystem
from exporter.model import Folder, Problem, Reason, Tightest
from exporter.text import shown_name
from exporter.tree import Tree
from exporter.walk import INODE_BITS, OPEN_DIR, Ground, walk


@dataclass(slots=True)
class FolderCounter:
    """Counts folders of the driver's home whose open descriptor is `home`, into one ledger.

    `where` is the home's path on the host, for problems.
    """

    driver: Driver
    home: int
    where: str
    filesystem: Filesystem
    ground: Ground
    ledger: Ledger = field(default_factory=Ledger)

    def count(self, folder: Folder) -> LayerFigures:
        """Walk a folder's trees; the one that children are stacked on gives its headroom."""
        figures = LayerFigures(folder)
        entries, changed, problems = 0, False, list[Problem]()
        for name in folder.trees:
            try:
                tree = self._walk(folder.id, name)
            except FileNotFoundError:
                changed = True
                continue
            except OSError as error:
                place = f"{self.where}/{shown_name(folder.id)}/{name}"
                what = f"cannot be read: {error.strerror}"
                problems.append(Problem(place, what, Reason.UNREADABLE))
                continue
            entries += tree.entries
            changed |= tree.changed
            problems += tree.problems
            if name == folder.stacked:
                figures = self._headroom(folder, tree)
        return replace(figures, entries=entries, changed=changed, problems=tuple(problems))

    def _walk(self, id: str, name: str) -> Tree:
        layer = os.open(id, OPEN_DIR, dir_fd=self.home)
        try:
            top = os.open(name, OPEN_DIR, dir_fd=layer)
        finally:
            os.close(layer)
        try:
            place = f"{self.where}/{shown_name(id)}/{name}"
            return walk(top, place, self.ground, self.ledger.links)
        finally:
            os.close(top)

    def _headroom(self, folder: Folder, tree: Tree) -> LayerFigures:
        """What this tree allows and costs when a layer is stacked on it."""
        limit = self.filesystem.limit.value
        tight = None
        if self.driver.shares_links and limit is not None:
            tight = tightest(tree.names, self.ledger.links, limit)
        cost = None
        if self.driver.costs_a_tree:
            cost = tree.made_anew
            if self.filesystem.link_costs_inode:
                cost += tree.regular
        return LayerFigures(
            folder,
            has_files=self.driver.shares_links and bool(tree.names),
            tightest=Tightest(
                tight.left,
                folder.id,
                tight.inode & ((1 << INODE_BITS) - 1),
                tight.links,
                tight.names,
                tree.path_of(tight.inode),
            )
            if tight
            else None,
            cost=cost,
        )
