"""Layers whose figures may be wrong: found at no cost while links are asked for, and counted again.

Two things prove that a layer is not what was counted: a file is not where it was seen, and an
inode has more names in the layers than links on the disk. What was proved is counted again at
once; until that is done, the layers are not covered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from exporter.disk.count import Home, Unasked
from exporter.looking.ledger import Ledger
from exporter.looking.settle import Refresh
from exporter.looking.strangers import Strangers
from exporter.thinking.backoff import FIRST_SECONDS, Backoff
from exporter.thinking.kin import Kin

_ASKED: Final = 20
"""Members of an overcounted kin that are looked for in each of its layers."""

_BLOCKED: Final = ""
"""The name under which trouble of a moment, of whatever file, is tried again."""


@dataclass(slots=True)
class Doubts:
    """What is in doubt after a scan: `layers` are not covered, `again` is to be counted again.

    `backoff` holds when which of them may be counted next. `new`: names and links do not add up
    since the last scan, maybe because a layer is being removed.
    """

    backoff: Backoff = field(default_factory=Backoff)
    layers: frozenset[str] = frozenset()
    again: set[str] = field(default_factory=set)
    new: bool = False
    strangers: Strangers = field(default_factory=Strangers)
    _blocked: bool = False
    _overcounted: set[Kin] = field(default_factory=set)
    _since: float = 0.0

    def judge(
        self,
        home: Home,
        ledger: Ledger,
        found: Refresh,
        now: float,
        *,
        still: bool,
        same: bool,
        complete: bool,
    ) -> set[str]:
        """Take in what asking for links gave; give the layers to be counted again now.

        `still`: the engine has done nothing since the last scan; `same`: at least no layer came
        or went; `complete`: all that is there is counted.
        """
        overcounted = self._overcounted_in(home, ledger, found, still)
        self.again &= ledger.kept.keys()
        self.again |= found.altered
        for kin in found.lost:
            if kin.seen_in is None:
                self.again |= set(islice(kin.holders, 1))
        self._add_up(home, ledger, overcounted, now, same)
        self._blocked = bool(found.blocked)
        self.backoff.note(_BLOCKED, now, failed=self._blocked)
        kins = found.lost | found.blocked | self._overcounted
        self.layers = frozenset(self.again.union(*(kin.holders for kin in kins)))
        now_again = {id for id in self.again if self.backoff.may(id, now)}
        if complete and not self.layers:
            now_again |= self.strangers.suspects(home, ledger, found.tightest, now, same=same)
        return now_again

    def _add_up(
        self, home: Home, ledger: Ledger, overcounted: set[Kin], now: float, same: bool
    ) -> None:
        """Doubt kin that have more names than links; where no layer goes meanwhile, count again.

        Once doubted they stay so: links from outside may hide that names are missed.
        """
        doubted = self._overcounted & ledger.kinship.kins.keys() if same else set[Kin]()
        self.new = bool(overcounted) and not doubted
        if not doubted:
            self._since = now
        self._overcounted = doubted | overcounted
        if doubted and now - self._since >= FIRST_SECONDS:
            for kin in self._overcounted:
                self.again |= _suspects(home, ledger, kin)
            self._overcounted = set()

    def due_in(self, now: float) -> float | None:
        """The seconds until something in doubt is to be looked at again, if anything is."""
        waits = [self.backoff.due_in(id, now) for id in self.again]
        if self._blocked:
            waits.append(self.backoff.due_in(_BLOCKED, now))
        if self._overcounted:
            waits.append(max(0.0, self._since + FIRST_SECONDS - now))
        return min(waits, default=None)

    def _overcounted_in(self, home: Home, ledger: Ledger, found: Refresh, still: bool) -> set[Kin]:
        """Find the kin that have more names than links, and make sure by asking all their members."""
        if not home.filesystem.exact_links:
            return set()
        kins: Iterable[Kin] = ledger.kinship.kins
        if still:
            kins = found.moved | (self._overcounted & ledger.kinship.kins.keys())
        suspected = {kin for kin in kins if kin.overcounted}
        if suspected:
            found.add(ledger.settle_all(home, suspected))
        return {kin for kin in suspected if kin.overcounted}


def _suspects(home: Home, ledger: Ledger, kin: Kin) -> set[str]:
    """Which layers have lost names of this kin: those where one is not found, else all."""
    missing = {
        layer
        for layer in kin.holders
        for inode in islice(kin.members, _ASKED)
        if home.ask(inode, ledger.tree_path(layer) + kin.members[inode]) is Unasked.GONE
    }
    return missing or set(kin.holders)
