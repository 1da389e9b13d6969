"""All that was counted of one driver of one root: a folder's figures, and whose files are whose.

A folder is walked, or told by its difference to one that is counted. A complete layer never
changes, only its files' link counts move, and those of kin move alike: to settle is to ask
a few members of each kin.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from exporter.disk.count import Home, figures_of
from exporter.looking.derive import Derived
from exporter.looking.settle import settle
from exporter.model import Folder, Kind, Problem, Reason
from exporter.text import shown_name
from exporter.thinking.findings import LayerFigures
from exporter.thinking.kin import Kin, link_counts
from exporter.thinking.kinship import Kinship

_NAMED: Final = 200
"""Inodes of several names in a walked layer whose smallest one is kept, should one be the tightest."""


@dataclass(slots=True)
class Kept:
    """What is kept of one counted folder.

    `links` are those of files that are no image layer's, by inode; `paths` the smallest
    name of some inodes of the layer's tree. A derived layer has a `source`, in which all
    inodes have the same names but those that `moved`; with each of these comes the smallest
    name that it has here and not there, if any.
    """

    folder: Folder
    kind: Kind
    figures: LayerFigures
    entries: int
    links: dict[int, int]
    paths: dict[int, bytes] = field(default_factory=dict)
    source: str | None = None
    moved: Mapping[int, bytes | None] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """The counted folders, by id.

    `walked` counts the walks of each image layer's tree, so that it can be seen that none is
    walked twice; `searched` those that looked for one name.
    """

    kept: dict[str, Kept] = field(default_factory=dict)
    kinship: Kinship = field(default_factory=Kinship)
    walked: Counter[str] = field(default_factory=Counter)
    searched: Counter[str] = field(default_factory=Counter)
    _figures: dict[str, LayerFigures] = field(default_factory=dict)
    _counts: Counter[int] | None = None

    def walk(self, home: Home, folder: Folder, kind: Kind) -> None:
        """Walk a folder; an image layer's names join the kin."""
        self._changed(folder.id)
        joins = kind is Kind.IMAGE and folder.stacked is not None
        counted = home.count(folder, self.kinship.kin_of if joins else ())
        kept = Kept(folder, kind, figures_of(home, counted), counted.entries, counted.links)
        self.kept[folder.id] = kept
        if joins and counted.tree is not None:
            self.walked[folder.id] += 1
            places = counted.tree.raw_paths(self.kinship.kin_of)
            held = self.kinship.add(folder.id, counted.tree.names, counted.links, places)
            kept.links = {}
            linked = (kin for kin in held if kin.holders[folder.id] > 1)
            for inode in islice((inode for kin in linked for inode in kin.members), _NAMED):
                kept.paths[inode] = counted.tree.raw_path_of(inode)
        else:
            self._note(counted.links)

    def _note(self, links: Mapping[int, int]) -> None:
        """Take in what a tree that is half made or half gone tells of image layers' files."""
        moved: set[Kin] = set()
        for inode, count in links.items():
            kin = self.kinship.kin_of.get(inode)
            if kin is not None and kin.noted({inode: count}):
                moved.add(kin)
        self._changed(*{id for kin in moved for id in kin.holders})

    def enter(self, folder: Folder, source: str, told: Derived) -> None:
        """Take in an image layer that was told by its difference to its source."""
        self._changed(folder.id)
        self.kept[folder.id] = Kept(
            folder, Kind.IMAGE, told.figures, told.asked, {}, source=source, moved=told.moved
        )

    def sources(self) -> list[str]:
        """Give the layers that others can be told from."""
        return [id for id in self.kinship.held if self.can_be_source(id)]

    def can_be_source(self, id: str) -> bool:
        """Whether a layer can be told by its difference to this one."""
        return id in self.kinship.held and self.kept[id].figures.whole

    def forget(self, id: str) -> None:
        """Forget a folder."""
        self._changed(id)
        del self.kept[id]
        self.kinship.remove(id)

    def settle(self, home: Home, *, still: bool = False) -> None:
        """Ask for the links that may have moved; `still`: the engine has done nothing."""
        moved = settle(home, self.kinship, self._tree_path, still=still)
        self._changed(*{id for kin in moved for id in kin.holders})

    def _changed(self, *ids: str) -> None:
        """Tell the figures of these folders anew when they are asked for next."""
        if ids:
            self._counts = None
        for id in ids:
            self._figures.pop(id, None)

    def figures(self, home: Home) -> Mapping[str, LayerFigures]:
        """Give the figures of every counted folder, by its id."""
        limit = home.filesystem.limit.value
        for id in self.kept.keys() - self._figures.keys():
            found = self.kept[id].figures
            if limit is not None and id in self.kinship.held:
                found = found.with_tight(self.kinship.tightest(id, limit))
            self._figures[id] = found
        return self._figures

    def link_counts(self) -> Counter[int]:
        """Count the distinct regular files of all layers by their links."""
        if self._counts is None:
            others: dict[int, int] = {}
            for kept in self.kept.values():
                others |= kept.links
            self._counts = link_counts(self.kinship.kins)
            known = self.kinship.kin_of
            self._counts.update(n for inode, n in others.items() if inode not in known)
        return self._counts

    def drift_from(self, kept: Ledger, home: Home) -> list[Problem]:
        """Tell the image layers whose names this count found other than an earlier one did."""
        return [
            Problem(
                f"{home.where}/{shown_name(id)}",
                "what was kept of this layer differed from a new count, which is now in force",
                Reason.DRIFT,
            )
            for id in sorted(self.kinship.differing(kept.kinship))
        ]

    def path_of(self, home: Home, id: str, inode: int) -> str:
        """Give the smallest name of an inode in an image layer's tree, absolute inside the image."""
        kept = self.kept[id]
        if inode not in kept.paths:
            walked = self._walked_source(id, inode)
            if inode not in self.kept[walked].paths:
                self.kept[walked].paths[inode] = self._find(home, self.kept[walked].folder, inode)
            told = self._told_by_sources(home, id, inode)
            kept.paths[inode] = told or self._find(home, kept.folder, inode)
        return shown_name(kept.paths[inode])

    def _walked_source(self, id: str, inode: int) -> str:
        """Give the farthest layer that this one was told from and that has the inode too.

        What is searched for there, once, tells the name in all that were told from it.
        """
        holders = self.kinship.kin_of[inode].holders
        met = {id}
        while (source := self.kept[id].source) in holders and source in self.kept:
            if source in met:
                break
            met.add(source)
            id = source
        return id

    def _told_by_sources(self, home: Home, id: str, inode: int) -> bytes | None:
        """Follow an inode's smallest name from the layers that this one was told from."""
        holders = self.kinship.kin_of[inode].holders
        steps: dict[str, Kept] = {}
        path: bytes | None = None
        while inode not in self.kept[id].paths:
            steps[id] = step = self.kept[id]
            if step.source not in self.kinship.held or step.source in steps:
                return None
            if step.source not in holders:
                break
            id = step.source
        else:
            path = self.kept[id].paths[inode]
        for id, step in reversed(steps.items()):
            if inode in step.moved:
                if path and home.links_of(inode, self._tree_path(id) + path) is None:
                    return None  # the smallest went, and the second is not known
                path = min(filter(None, (path, step.moved[inode])), default=None)
        return path

    def _tree_path(self, id: str) -> bytes:
        """Give the place of a counted layer's tree below the driver's folder."""
        return os.fsencode(f"{id}/{self.kept[id].folder.stacked}")

    def _find(self, home: Home, folder: Folder, inode: int) -> bytes:
        """Find the smallest name of an inode that was not the tightest when its layer was walked."""
        kin = self.kinship.kin_of[inode]
        place = kin.members[inode]
        if kin.holders[folder.id] == 1:
            links = home.links_of(inode, self._tree_path(folder.id) + place)
            if links is not None:
                return place
        self.searched[folder.id] += 1
        tree = home.count(folder, self.kinship.kin_of).tree
        return tree.raw_path_of(inode) if tree is not None and inode in tree.first else b"?"
