"""One driver of one root, kept: the first look counts every layer, later ones only what changed.

The tops of tagged images are counted first, because an image's top layer holds every name
that matters to what is stacked on it; a first answer can be published as soon as they are
done. A layer whose neighbour in the chain is counted is told by its difference to it, where
that is cheaper than a walk. A complete layer never changes, only its files' link counts move,
and those of kin move alike: each look asks a few members of each kin. What proves to be other
than it was counted is counted again at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from exporter.disk.count import Home
from exporter.disk.site import never, unheard
from exporter.looking import recheck
from exporter.looking.derive import Differences
from exporter.looking.doubts import Doubts
from exporter.looking.ledger import Ledger
from exporter.looking.records import (
    ATTEMPTS,
    NO_RECORDS,
    Ages,
    Clocks,
    Known,
    Marks,
    Records,
    YoungImages,
    marks,
    read_records,
)
from exporter.model import Kind, Problem, Root
from exporter.thinking.routes import Family, Steps, plan

REREAD_SECONDS: Final = 300.0
"""All of the engine's records are read again after this long, even those that have not changed."""

_RECORDS: Final = "/"
"""The name under which records that could not be read are tried again."""


@dataclass(slots=True)
class Live:
    """All that is known of one driver of one root between looks.

    `drift` tells what the newest count of all found otherwise than it was kept. Without
    `differences` every layer is walked.
    """

    root: Root
    clocks: Clocks = field(default_factory=Clocks)
    differences: Differences | None = None
    records: Records = NO_RECORDS
    ledger: Ledger = field(default_factory=Ledger)
    drift: list[Problem] = field(default_factory=list)
    doubts: Doubts = field(default_factory=Doubts)
    young: YoungImages = field(default_factory=YoungImages)
    _marks: Marks | None = None
    _read_at: float | None = None
    _unsettled: bool = True
    _known: Known = field(default_factory=Known)
    _ages: Ages = field(default_factory=Ages)
    _again: set[str] = field(default_factory=set)
    _present: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.ledger.steady = self.clocks.steady

    def look(
        self,
        home: Home,
        publish: Callable[[], None],
        woken: Callable[[], bool] = never,
        counted: Callable[[int, int], None] = unheard,
    ) -> None:
        """Bring everything up to date; `publish` is called when there is a first answer.

        While layers are counted, `woken` tells that something happened meanwhile: what is new is
        then counted and published before the rest; and `counted` is told how many of how many are.
        """
        if self._may_have_changed(home):
            self._read(home)
        self._again = recheck.due(self.ledger, self.doubts, self.clocks.steady())
        self._count_due(home, publish, woken, counted)
        doubted = self._settle(home)
        if doubted or self.doubts.new:
            self._read(home)  # what is being removed is not in doubt
            self._again |= doubted & self.records.folders.keys()
            self._count_due(home, publish, woken, counted)
            self._settle(home)

    def due_in(self) -> float | None:
        """The seconds until another look has something to do, if it has before an event."""
        now = self.clocks.steady()
        wait = recheck.due_in(self.ledger, self.doubts, now)
        if not self.records.problems:
            return wait
        again = self.doubts.backoff.due_in(_RECORDS, now)
        return again if wait is None else min(wait, again)

    @property
    def complete(self) -> bool:
        """Whether every folder that is there is counted."""
        return self.ledger.kept.keys() == self.records.folders.keys()

    def _settle(self, home: Home) -> set[str]:
        """Ask for the links that may have moved; give the layers that must be counted again now."""
        still = not (self._unsettled or self.ledger.unasked)
        found = self.ledger.settle(home, still=still)
        self._unsettled = bool(found.blocked or found.lost)
        same, self._present = self._present == self.records.present, self.records.present
        now = self.clocks.steady()
        return self.doubts.judge(
            home, self.ledger, found, now, still=still, same=same, complete=self.complete
        )

    def _read(self, home: Home) -> None:
        """Read the engine's records and list the driver's folders; forget what is gone."""
        steady = self.clocks.steady()
        if self._read_at is None or steady - self._read_at >= REREAD_SECONDS:
            self._known = Known()
            self._read_at = steady
            (self.differences or Differences()).retry(home)
        self._marks = marks(home, self.clocks.wall())
        self._unsettled = True
        self.records = read_records(home, self.root.path, self.clocks, self._known, self._ages)
        self.young.meet(self.records.lineage, home.image, self.clocks)
        for id in self.ledger.kept.keys() - self.records.folders.keys():
            self.ledger.forget(id)
            del self.ledger.walked[id], self.ledger.searched[id]
            self.doubts.backoff.forget(id)
        self.doubts.backoff.note(_RECORDS, steady, failed=bool(self.records.problems))

    def _may_have_changed(self, home: Home) -> bool:
        """Whether the records must be read again; time alone makes a young folder an orphan."""
        return (
            self._marks is None
            or self._marks != marks(home, self.clocks.wall())
            or self._read_at is None
            or self.clocks.steady() - self._read_at >= REREAD_SECONDS
            or self.young.changed(home.image)
            or bool(self.records.problems)
            or Kind.PARTIAL in self.records.kinds.values()
        )

    def _due(self) -> list[str]:
        """Which folders are to be counted."""
        return [id for id in self.records.folders if self._is_due(id)]

    def _is_due(self, id: str) -> bool:
        kept = self.ledger.kept.get(id)
        if kept is None or id in self._again or self._is_another(id):
            return True
        changed = kept.figures.changed and kept.kind is Kind.IMAGE
        return changed and self.doubts.backoff.may(id, self.clocks.steady())

    def _is_another(self, id: str) -> bool:
        """Whether a counted folder has become another one, as a half-made layer that is complete."""
        kept, kind = self.ledger.kept.get(id), self.records.kinds[id]
        trees = self.records.folders[id].trees
        return kept is not None and (kept.kind, kept.folder.trees) != (kind, trees)

    def _plan(self, home: Home, due: list[str], tops: list[str]) -> Steps:
        """Put them in order, the tops of tagged images first."""
        layers = self.records.lineage.layers
        family = self.differences.family(home, layers) if self.differences else Family()
        waiting = set(due)
        sources = [id for id in self.ledger.sources() if id not in waiting]
        return plan(family, sources, [id for id in tops if id in waiting], due)

    def _count_due(
        self,
        home: Home,
        publish: Callable[[], None],
        woken: Callable[[], bool],
        counted: Callable[[int, int], None],
    ) -> None:
        """Count what is due; what changes each time is left after some attempts."""
        attempts = 0
        while attempts < ATTEMPTS and (due := self._due()):
            if self._count_some(home, due, publish, woken, counted):
                self._read(home)
                self._settle(home)
                publish()
            else:
                attempts += 1
                if self._due():
                    self._read(home)
        for id in filter(self.ledger.is_changed, self.ledger.kept):
            self._note(id, failed=True)

    def _count_some(
        self,
        home: Home,
        due: list[str],
        publish: Callable[[], None],
        woken: Callable[[], bool],
        counted: Callable[[int, int], None],
    ) -> bool:
        """Count these folders in a good order; True: something happened before the last."""
        for id in filter(self._is_another, due):
            self.ledger.forget(id)
        tops = self.records.tops()
        steps = self._plan(home, due, tops)
        first = dict.fromkeys(self.records.tops(tagged=True) or tops)
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
        """Count a layer by its difference to a counted neighbour, or walk it."""
        folder, layers = self.records.folders[id], self.records.by_folder
        counted = id in self.ledger.kept
        differences = None if counted or id in self.ledger.altered else self.differences
        if differences and source is not None and self.ledger.can_be_source(source):
            upper = id if layers[id].parent == layers[source].chain else source
            kinship, figures = self.ledger.kinship, self.ledger.kept[source].figures
            told = differences.derive(home, kinship, folder, figures, layers[upper])
            if told is not None:
                self.ledger.enter(folder, source, told)
                return
        found = self.ledger.walk(home, folder, self.records.kinds[id])
        self._was_walked(id, found, again=counted)

    def _was_walked(self, id: str, suspects: Iterable[str], *, again: bool) -> None:
        """Note what comes of a walk: when it is to be done again, and who else is in doubt."""
        doubted = again and id in self.doubts.again
        self._unsettled |= doubted
        self._again.discard(id)
        if not self.ledger.is_changed(id):
            figures = self.ledger.kept[id].figures
            self._note(id, failed=doubted or figures.changed or bool(figures.problems))
        self.doubts.again.discard(id)
        self.doubts.again.update(suspects)
        self._again.update(s for s in suspects if self.doubts.backoff.may(s, self.clocks.steady()))

    def _note(self, id: str, *, failed: bool) -> None:
        """Note how a count went; all retries together take a bounded share of the time."""
        seconds = self.ledger.seconds_of_troubled(id, *self.doubts.layers) if failed else 0
        self.doubts.backoff.note(id, self.clocks.steady(), seconds, failed=failed)
