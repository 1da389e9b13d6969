"""All that was counted of one driver of one root: a folder's figures, and whose files are whose.

A folder is walked, or told by its difference to one that is counted. A complete layer never
changes, only its files' link counts move, and those of kin move alike: to settle is to ask
a few members of each kin.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from exporter.disk.count import Home, Unasked, figures_of
from exporter.looking.derive import Derived
from exporter.looking.settle import Refresh, settle, settle_all
from exporter.model import Folder, Kind, Problem, Reason
from exporter.text import shown_name
from exporter.thinking.findings import LayerFigures
from exporter.thinking.kin import Kin, link_counts
from exporter.thinking.kinship import Kinship
from exporter.thinking.tree import Tree

_NAMED: Final = 200
"""Inodes of several names in a walked layer whose smallest one is kept, should one be the tightest."""

_COMPARED: Final = 100
"""Changed inodes of an altered layer that are looked for in the other layers that have them."""

_JOINING: Final = frozenset({Kind.IMAGE, Kind.ORPHAN})
"""What is complete and only read from now on."""


@dataclass(slots=True)
class Kept:
    """What is kept of one counted folder.

    `links` are those of files that are no image layer's, by inode, and `names` counts the names of
    image layers' files in a folder that is none; `paths` has the smallest
    name of some inodes of the layer's tree. A derived layer has a `source`, in which all
    inodes have the same names but those that `moved`; with each of these comes the smallest
    name that it has here and not there, if any. `counted_at` is the steady clock's time of the
    walk, which took `seconds` of processor time.
    """

    folder: Folder
    kind: Kind
    figures: LayerFigures
    entries: int
    links: dict[int, int]
    names: Mapping[int, int] = field(default_factory=dict)
    paths: dict[int, bytes] = field(default_factory=dict)
    source: str | None = None
    moved: Mapping[int, bytes | None] = field(default_factory=dict)
    counted_at: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Ledger:
    """The counted folders, by id.

    `walked` counts the first walks of each image layer's tree, so that it can be seen that none
    is walked twice without a reason; `searched` those that looked for one name. `altered` are
    layers that somebody changed after they were complete: none is told from such a one. `unasked`:
    names came or went since links were asked for.
    """

    steady: Callable[[], float] = time.monotonic
    kept: dict[str, Kept] = field(default_factory=dict)
    kinship: Kinship = field(default_factory=Kinship)
    walked: Counter[str] = field(default_factory=Counter)
    searched: Counter[str] = field(default_factory=Counter)
    altered: set[str] = field(default_factory=set)
    unasked: bool = True
    _figures: dict[str, LayerFigures] = field(default_factory=dict)
    _asked: Refresh = field(default_factory=Refresh)
    """What was found since links were asked for last."""
    _counts: Counter[int] | None = None

    def walk(self, home: Home, folder: Folder, kind: Kind) -> frozenset[str]:
        """Walk a folder; an image layer's names join the kin, and those of an orphan do.

        What was known of it stays until it is walked. Gives the other layers that may have
        changed too, where this one is known to have done so since it was counted.
        """
        id = folder.id
        joins = kind in _JOINING and folder.stacked is not None
        known = self.kinship.known(id) if joins else ()
        began = time.thread_time()
        counted = home.count(folder, known)
        kept = Kept(folder, kind, figures_of(home, counted), counted.entries, counted.links)
        kept.counted_at, kept.seconds = self.steady(), time.thread_time() - began
        former = self.kept.get(id)
        self._changed(id)
        self.kept[id] = kept
        if not joins or counted.tree is None:
            self.kinship.remove(id)
            known = self.kinship.kin_of
            kept.names = {inode: n for inode, n in counted.names.items() if inode in known}
            self._note(home, counted.links)
            return frozenset()
        self.walked[id] += former is None
        suspects = frozenset[str]()
        self.unasked |= self.kinship.names_in(id) != counted.tree.names
        if former is not None and former.figures.whole and kept.figures.whole:
            suspects = self._compare(home, id, counted.tree.names)
        self._join(kept, counted.tree)
        return suspects - {id}

    def _join(self, kept: Kept, tree: Tree) -> None:
        """Take the names of a walked tree into the kin."""
        id = kept.folder.id
        places = tree.raw_paths(self.kinship.known(id))
        held = self.kinship.replace(id, tree.names, kept.links, places)
        kept.links = {}
        linked = (kin for kin in held if kin.holders[id] > 1)
        for inode in islice((inode for kin in linked for inode in kin.members), _NAMED):
            kept.paths[inode] = tree.raw_path_of(inode)

    def _compare(self, home: Home, id: str, names: Mapping[int, int]) -> frozenset[str]:
        """Compare a layer's names with those known; tell who else may have lost what it lost."""
        before = self.kinship.names_in(id)
        if before == names:
            return frozenset()
        self.altered.add(id)
        if self.kept[id].kind is Kind.ORPHAN:
            return frozenset()
        changed = (i for i, count in before.items() if names.get(i, 0) != count)
        suspects: set[str] = set()
        for inode in islice(changed, _COMPARED):
            kin = self.kinship.kin_of[inode]
            for layer in kin.holders.keys() - suspects:
                answer = home.ask(inode, self.tree_path(layer) + kin.members[inode])
                if answer is Unasked.GONE:
                    suspects.add(layer)
        return frozenset(suspects)

    def _note(self, home: Home, links: Mapping[int, int]) -> None:
        """Take in what a tree that is half made or half gone tells of image layers' files.

        Of kin that have only some members in it all are asked: a few would not tell the rest.
        """
        moved: set[Kin] = set()
        members: Counter[Kin] = Counter()
        for inode, count in links.items():
            kin = self.kinship.kin_of.get(inode)
            if kin is not None:
                members[kin] += 1
                if kin.noted({inode: count}):
                    moved.add(kin)
        self._changed(*{id for kin in moved for id in kin.holders})
        some = [kin for kin, n in members.items() if n < len(kin.members)]
        self._asked.add(self.settle_all(home, some))

    def enter(self, folder: Folder, source: str, told: Derived) -> None:
        """Take in an image layer that was told by its difference to its source."""
        self._changed(folder.id)
        self.unasked = True
        self.kept[folder.id] = Kept(
            folder, Kind.IMAGE, told.figures, told.asked, {}, source=source, moved=told.moved
        )

    def sources(self) -> list[str]:
        """The layers that others can be told from."""
        return [id for id in self.kinship.held if self.can_be_source(id)]

    def can_be_source(self, id: str) -> bool:
        """Whether a layer can be told by its difference to this one."""
        return id in self.kinship.held and id not in self.altered and self.kept[id].figures.whole

    def is_changed(self, id: str) -> bool:
        """Whether an image layer changed under our eyes when it was counted."""
        kept = self.kept[id]
        return kept.figures.changed and kept.kind is Kind.IMAGE

    def seconds_of_troubled(self, *doubted: str) -> float:
        """The processor time that it takes to count these again, and all that were not seen whole."""
        troubled = {id for id, kept in self.kept.items() if kept.figures.problems}
        troubled.update(filter(self.is_changed, self.kept))
        return sum(self.kept[id].seconds for id in self.kept.keys() & troubled.union(doubted))

    def forget(self, id: str) -> None:
        """Forget a folder."""
        self._changed(id)
        del self.kept[id]
        self.kinship.remove(id)
        self.altered.discard(id)

    def settle(self, home: Home, *, still: bool = False) -> Refresh:
        """Ask for the links that may have moved; `still`: the engine has done nothing."""
        found, self._asked, self.unasked = self._asked, Refresh(), False
        found.add(self._taken(settle(home, self.kinship, self.tree_path, still=still)))
        return found

    def settle_all(self, home: Home, kins: Iterable[Kin]) -> Refresh:
        """Ask for the links of every member of these kin."""
        return self._taken(settle_all(home, kins, self.tree_path))

    def _taken(self, found: Refresh) -> Refresh:
        self._changed(*{id for kin in found.moved for id in kin.holders})
        return found

    def _changed(self, *ids: str) -> None:
        """The figures of these folders anew when they are asked for next."""
        if ids:
            self._counts = None
        for id in ids:
            self._figures.pop(id, None)

    def figures(self, home: Home) -> Mapping[str, LayerFigures]:
        """The figures of every counted folder, by its id."""
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
        """The image layers whose names this count found other than an earlier one did."""
        return [
            Problem(
                f"{home.where}/{shown_name(id)}",
                "what was kept of this layer differed from a new count, which is now in force",
                Reason.DRIFT,
            )
            for id in sorted(self.kinship.differing(kept.kinship))
            if self.kept[id].figures.whole and kept.kept[id].figures.whole
        ]

    def tree_path(self, id: str) -> bytes:
        """The place of a counted layer's tree below the driver's folder."""
        return os.fsencode(f"{id}/{self.kept[id].folder.stacked}")
