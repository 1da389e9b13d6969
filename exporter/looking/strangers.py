"""Links that nobody here made: from outside they only cost links, inside a layer they are names too.

A complete layer is never walked again, so a name that somebody adds to it is not seen; but its
file has a link more than it has names in all layers. Where that comes about among the tightest
files, a walk of their layers tells whether the new links are inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.disk.count import Home
from exporter.looking.ledger import Ledger
from exporter.model import Kind
from exporter.thinking.backoff import RECOUNT_SHARE
from exporter.thinking.kin import Kin

Tightest = Mapping[Kin, Sequence[int]]


@dataclass(slots=True)
class Strangers:
    """How many links of each of the tightest files are known to be outside of all layers.

    The walks that are done for it take `RECOUNT_SHARE` of the time, but the first are done at once.
    """

    _outside: dict[int, int] = field(default_factory=dict)
    _partials: dict[str, int] = field(default_factory=dict)
    _walked: set[str] = field(default_factory=set)
    _due: float = 0.0
    _begun: bool = False

    def suspects(
        self, home: Home, ledger: Ledger, tightest: Tightest, now: float, *, same: bool
    ) -> set[str]:
        """The layers to be walked, once all is counted: somebody may have linked files in them.

        `same`: no layer came or went since the last scan. When a root is first counted, only
        layers that were not walked may hide a name.
        """
        self._spend(ledger, now)
        if not home.filesystem.exact_links:
            return set()
        new, rests = list(self._new(ledger, tightest)), self._rests(ledger)
        if not rests or now < self._due or (self._begun and not same):
            return set()
        found: set[str] = set()
        for kin, inode, surplus in new:
            self._outside[inode] = surplus
            found |= kin.holders.keys()
        if not self._begun:
            found = {id for id in found if ledger.kept[id].source is not None}
        self._begun, self._walked = True, found
        return found

    def _spend(self, ledger: Ledger, now: float) -> None:
        """Wait, before the next walks, for as long as the last ones allow."""
        seconds = sum(ledger.kept[id].seconds for id in self._walked & ledger.kept.keys())
        if self._walked:
            self._due = now + seconds / RECOUNT_SHARE
        self._walked = set()

    def _rests(self, ledger: Ledger) -> bool:
        """Whether no layer is being made or removed: one at rest may have been left so."""
        partials = {id: k.entries for id, k in ledger.kept.items() if k.kind is Kind.PARTIAL}
        rests, self._partials = partials == self._partials, partials
        return rests

    def _new(self, ledger: Ledger, tightest: Tightest) -> Iterator[tuple[Kin, int, int]]:
        """The tightest inodes with more links outside than are known, and how many these are.

        Where there are fewer than were known, these are what is known from now on.
        """
        known = ledger.kinship.kin_of
        self._outside = {inode: n for inode, n in self._outside.items() if inode in known}
        others = [kept.names for kept in ledger.kept.values() if kept.names]
        for kin, inodes in tightest.items():
            for inode in inodes:
                surplus = kin.links_of(inode) - kin.names - sum(n.get(inode, 0) for n in others)
                if surplus > self._outside.get(inode, 0):
                    yield kin, inode, surplus
                elif inode in self._outside:
                    self._outside[inode] = surplus
