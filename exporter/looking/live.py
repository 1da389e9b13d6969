"""One driver of one root, kept: the first look counts every layer, later ones only what changed.

The tops of tagged images are counted first, because an image's top layer holds every name
that matters to what is stacked on it; a first answer can be published as soon as they are
done. A layer whose neighbour in the chain is counted is told by its difference to it, where
that is cheaper than a walk. A complete layer never changes, only its files' link counts move,
and those of kin move alike: each look asks a few members of each kin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from exporter.disk.count import Home
from exporter.disk.site import never, unheard
from exporter.looking.derive import Differences
from exporter.looking.ledger import Ledger
from exporter.looking.records import (
    ATTEMPTS,
    NO_RECORDS,
    Known,
    Marks,
    Records,
    marks,
    read_records,
)
from exporter.model import Kind, Problem, Root
from exporter.thinking.routes import Family, Steps, plan

REREAD_SECONDS: Final = 300.0
"""All of the engine's records are read again after this long, even those that have not changed."""

SMALL: Final = 10_000
"""A container's layer of no more entries is counted anew now and then; it may have changed."""

CONTAINER_SECONDS: Final = 30.0
"""So many seconds after the last time."""


@dataclass(slots=True)
class Live:
    """All that is known of one driver of one root between looks.

    `drift` tells what the newest count of all found otherwise than it was kept. Without
    `differences` every layer is walked.
    """

    root: Root
    now: Callable[[], float]
    differences: Differences | None = None
    records: Records = NO_RECORDS
    ledger: Ledger = field(default_factory=Ledger)
    drift: list[Problem] = field(default_factory=list)
    _marks: Marks | None = None
    _read_at: float = 0.0
    _unsettled: bool = True
    _containers_at: float = 0.0
    _known: Known = field(default_factory=Known)

    def look(
        self,
        home: Home,
        publish: Callable[[], None],
        woken: Callable[[], bool] = never,
        counted: Callable[[int, int], None] = unheard,
    ) -> None:
        """Bring everything up to date.

        `publish` is called when there is a first answer. While layers are counted, `woken`
        tells that something happened meanwhile: what is new is then counted and published
        before the rest; and `counted` is told how many of how many are.
        """
        if self._may_have_changed(home):
            self._read(home)
        self._expire()
        attempts = 0
        while attempts < ATTEMPTS and (due := self._due()):
            if self._count_some(home, due, publish, woken, counted):
                self._read(home)
                self.ledger.settle(home)
                publish()
            else:
                attempts += 1
                if self._due():
                    self._read(home)
        self.ledger.settle(home, still=not self._unsettled)
        self._unsettled = False

    @property
    def complete(self) -> bool:
        """Whether every folder that is there is counted."""
        return self.ledger.kept.keys() == self.records.folders.keys()

    def _read(self, home: Home) -> None:
        """Read the engine's records and list the driver's folders; forget what is gone."""
        if self.now() - self._read_at >= REREAD_SECONDS:
            self._known = Known()
            self._read_at = self.now()
        self._marks = marks(home, self.now())
        self._unsettled = True
        self.records = read_records(home, self.root.path, self.now, self._known)
        for id in self.ledger.kept.keys() - self.records.folders.keys():
            self.ledger.forget(id)
            del self.ledger.walked[id], self.ledger.searched[id]

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
        moment = self.now()
        containers = moment - self._containers_at >= CONTAINER_SECONDS
        if containers:
            self._containers_at = moment
        for id, kept in list(self.ledger.kept.items()):
            small = kept.kind is Kind.CONTAINER and kept.entries <= SMALL
            if kept.kind is Kind.PARTIAL or (small and containers):
                self.ledger.forget(id)

    def _due(self) -> list[str]:
        """Tell which folders are to be counted."""
        return [id for id in self.records.folders if self._is_due(id)]

    def _plan(self, home: Home, due: list[str], tops: list[str]) -> Steps:
        """Put them in order, the tops of tagged images first."""
        layers = self.records.lineage.layers
        family = self.differences.family(home, layers) if self.differences else Family()
        waiting = set(due)
        return plan(family, self.ledger.sources(), [id for id in tops if id in waiting], due)

    def _is_due(self, id: str) -> bool:
        kept, folder, kind = (
            self.ledger.kept.get(id),
            self.records.folders[id],
            self.records.kinds[id],
        )
        if kept is None or kept.kind is not kind or kept.folder.trees != folder.trees:
            return True
        return kept.figures.changed and kind is Kind.IMAGE

    def _tops(self, *, tagged: bool = False) -> list[str]:
        """Give the folders of images' top layers, those of tagged images first, or these alone."""
        images = sorted(
            (i for i in self.records.lineage.images if i.chains and (i.tags or not tagged)),
            key=lambda i: not i.tags,
        )
        tops = (self.records.lineage.layers.get(i.chains[-1]) for i in images)
        return list(dict.fromkeys(top.cache_id for top in tops if top is not None))

    def _count_some(
        self,
        home: Home,
        due: list[str],
        publish: Callable[[], None],
        woken: Callable[[], bool],
        counted: Callable[[int, int], None],
    ) -> bool:
        """Count these folders in a good order; True: something happened before the last."""
        for id in self.ledger.kept.keys() & due:
            self.ledger.forget(id)
        tops = self._tops()
        steps = self._plan(home, due, tops)
        first = dict.fromkeys(self._tops(tagged=True) or tops)
        number_of_tops = 1 + max((i for i, (id, _) in enumerate(steps) if id in first), default=-1)
        for number, (id, source) in enumerate(steps):
            if number and number >= number_of_tops:
                if number == number_of_tops:
                    publish()
                if woken():
                    return True
            self._count(home, id, source)
            counted(number + 1, len(steps))
        return False

    def _count(self, home: Home, id: str, source: str | None) -> None:
        """Tell a layer by its difference to a counted neighbour, or walk it."""
        folder, layers = self.records.folders[id], self.records.by_folder
        if self.differences and source is not None and self.ledger.can_be_source(source):
            upper = id if layers[id].parent == layers[source].chain else source
            figures = self.ledger.kept[source].figures
            told = self.differences.derive(
                home, self.ledger.kinship, folder, figures, layers[upper]
            )
            if told is not None:
                self.ledger.enter(folder, source, told)
                return
        self.ledger.walk(home, folder, self.records.kinds[id])
