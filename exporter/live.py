"""One driver of one root, kept: the first look counts every layer, later ones only what changed.

The tops of tagged images are counted first, because an image's top layer holds every name
that matters to what is stacked on it; a first answer can be published as soon as they are
done. A complete layer never changes, only its files' link counts move, and those of kin move
alike: each look asks a few members of each kin.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from exporter.count import Home, figures_of
from exporter.findings import LayerFigures
from exporter.kin import Kinship, link_counts
from exporter.model import Folder, Kind, Problem, Reason, Root
from exporter.records import ATTEMPTS, NO_RECORDS, Marks, Records, marks, read_records
from exporter.settle import remember_places, settle
from exporter.site import never
from exporter.text import shown_name
from exporter.tree import Tree

REREAD_SECONDS: Final = 300.0
"""The engine's records are read again after this long even if no folder's time has changed."""

SMALL: Final = 10_000
"""A container's layer of no more entries is counted anew at each look; it may have changed."""


@dataclass(slots=True)
class Kept:
    """What is kept of one counted folder.

    `links` are those of files that are no image layer's, by inode; `paths` the smallest
    name of some inodes of the layer's tree.
    """

    folder: Folder
    kind: Kind
    figures: LayerFigures
    entries: int
    links: dict[int, int]
    paths: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Live:
    """All that is kept of one driver of one root between looks.

    `walked` counts the walks of image layers' trees, so that it can be seen that none is
    walked twice.
    """

    root: Root
    now: Callable[[], float]
    records: Records = NO_RECORDS
    kept: dict[str, Kept] = field(default_factory=dict)
    kinship: Kinship = field(default_factory=Kinship)
    drift: list[Problem] = field(default_factory=list)
    walked: int = 0
    _marks: Marks | None = None
    _read_at: float = 0.0
    _figures: dict[str, LayerFigures] | None = None
    _counts: Counter[int] | None = None

    def look(
        self, home: Home, publish: Callable[[], None], woken: Callable[[], bool] = never
    ) -> None:
        """Bring everything up to date.

        `publish` is called when there is a first answer. While layers are counted, `woken`
        tells that something happened meanwhile: what is new is then counted and published
        before the rest.
        """
        if self._may_have_changed(home):
            self._read(home)
        self._expire()
        attempts = 0
        while attempts < ATTEMPTS and (due := self._due()):
            if self._count_some(home, due, publish, woken):
                self._read(home)
                self._settle(home)
                publish()
            else:
                attempts += 1
                if self._due():
                    self._read(home)
        self._settle(home)

    def figures(self, home: Home) -> dict[str, LayerFigures]:
        """Give the figures of every counted folder, by its id."""
        if self._figures is None:
            limit = home.filesystem.limit.value
            found = {id: kept.figures for id, kept in self.kept.items()}
            if limit is not None:
                for id in self.kinship.held:
                    found[id] = found[id].with_tight(self.kinship.tightest(id, limit))
            self._figures = found
        return self._figures

    def link_counts(self) -> Counter[int]:
        """Count the distinct regular files of all layers by their links."""
        if self._counts is None:
            others: dict[int, int] = {}
            for kept in self.kept.values():
                others |= kept.links
            self._counts = link_counts(self.kinship.all_kin())
            known = self.kinship.kin_of
            self._counts.update(n for inode, n in others.items() if inode not in known)
        return self._counts

    def differences(self, kept: Live, home: Home) -> list[Problem]:
        """Tell the image layers whose names this count found other than an earlier one did."""
        both = self.kinship.held.keys() & kept.kinship.held.keys()
        return [
            Problem(
                f"{home.where}/{shown_name(id)}",
                "what was kept of this layer differed from a new count, which is now in force",
                Reason.DRIFT,
            )
            for id in sorted(both)
            if self.kinship.shape(id) != kept.kinship.shape(id)
        ]

    def path_of(self, home: Home, id: str, inode: int) -> str:
        """Give the smallest name of an inode in an image layer's tree, absolute inside the image."""
        kept = self.kept[id]
        if inode not in kept.paths:
            kept.paths[inode] = self._find(home, kept.folder, inode)
        return kept.paths[inode]

    def _read(self, home: Home) -> None:
        """Read the engine's records and list the driver's folders; forget what is gone."""
        self._read_at = self.now()
        self._marks = marks(home, self._read_at)
        self.records = read_records(home, self.root.path, self.now)
        for id in self.kept.keys() - self.records.folders.keys():
            self._forget(id)

    def _may_have_changed(self, home: Home) -> bool:
        """Whether the records must be read again; time alone makes a young folder an orphan."""
        moment = self.now()
        return (
            self._marks is None
            or self._marks != marks(home, moment)
            or moment - self._read_at >= REREAD_SECONDS
            or bool(self.records.problems)
            or Kind.PARTIAL in self.records.kinds.values()
        )

    def _expire(self) -> None:
        """Forget what may have changed without a sign: layers being made, and small containers'."""
        for id, kept in list(self.kept.items()):
            small = kept.kind is Kind.CONTAINER and kept.entries <= SMALL
            if kept.kind is Kind.PARTIAL or small:
                self._forget(id)

    def _forget(self, id: str) -> None:
        self._figures = self._counts = None
        del self.kept[id]
        self.kinship.remove(id)

    def _due(self) -> list[str]:
        """Tell which folders are to be counted, the tops of tagged images first."""
        due = [id for id in self.records.folders if self._is_due(id)]
        rank = {id: i for i, id in enumerate(reversed(self._tops()))}
        return sorted(due, key=lambda folder: -rank.get(folder, -1))

    def _is_due(self, id: str) -> bool:
        kept, folder, kind = self.kept.get(id), self.records.folders[id], self.records.kinds[id]
        if kept is None or kept.kind is not kind or kept.folder.trees != folder.trees:
            return True
        return kept.figures.changed and kind is Kind.IMAGE

    def _tops(self) -> list[str]:
        """Give the folders of images' top layers, those of tagged images first."""
        images = sorted(
            (i for i in self.records.lineage.images if i.chains), key=lambda i: not i.tags
        )
        tops = (self.records.lineage.layers.get(i.chains[-1]) for i in images)
        return list(dict.fromkeys(top.cache_id for top in tops if top is not None))

    def _count_some(
        self, home: Home, due: list[str], publish: Callable[[], None], woken: Callable[[], bool]
    ) -> bool:
        """Count these folders in their order; True: something happened before the last."""
        tops = set(self._tops())
        for number, id in enumerate(due):
            if number and id not in tops:
                if due[number - 1] in tops:
                    publish()
                if woken():
                    return True
            if id in self.kept:
                self._forget(id)
            self._count(home, self.records.folders[id], self.records.kinds[id])
        return False

    def _settle(self, home: Home) -> None:
        if settle(home, self.kinship, self._tree_path):
            self._figures = self._counts = None

    def _count(self, home: Home, folder: Folder, kind: Kind) -> None:
        """Walk a folder; an image layer's names join the kin."""
        self._figures = self._counts = None
        joins = kind is Kind.IMAGE and folder.stacked is not None
        counted = home.count(folder, self.kinship.kin_of if joins else ())
        kept = Kept(folder, kind, figures_of(home, counted), counted.entries, counted.links)
        self.kept[folder.id] = kept
        if joins and counted.tree is not None:
            self.walked += 1
            held = self.kinship.add(folder.id, counted.tree.names, counted.links)
            kept.links = {}
            remember_places(held, counted.tree)
            self._remember_path(home, kept, counted.tree)

    def _remember_path(self, home: Home, kept: Kept, tree: Tree) -> None:
        limit = home.filesystem.limit.value
        if limit is None:
            return
        tight = self.kinship.tightest(kept.folder.id, limit)
        if tight is not None:
            kept.paths[tight.inode] = tree.path_of(tight.inode)

    def _tree_path(self, id: str) -> bytes:
        """Give the place of a counted layer's tree below the driver's folder."""
        return os.fsencode(f"{id}/{self.kept[id].folder.stacked}")

    def _find(self, home: Home, folder: Folder, inode: int) -> str:
        """Find the smallest name of an inode that was not the tightest when its layer was walked."""
        kin = self.kinship.kin_of[inode]
        place = kin.places.get(inode)
        if place is not None and kin.holders[folder.id] == 1:
            links = home.links_of(inode, self._tree_path(folder.id) + place)
            if links is not None:
                return shown_name(place)
        tree = home.count(folder, self.kinship.kin_of).tree
        return tree.path_of(inode) if tree is not None and inode in tree.first else "?"
