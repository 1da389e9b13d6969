"""Which counted folders are to be counted again, and when, though no event tells of them."""

from __future__ import annotations

from typing import Final

from exporter.looking.doubts import Doubts
from exporter.looking.ledger import Ledger
from exporter.model import Kind
from exporter.thinking.backoff import recount_pauses

TOGETHER_SECONDS: Final = 5.0
"""What is due within this time is counted at once: each scan by itself costs something too."""

_CHANGING: Final = frozenset({Kind.CONTAINER, Kind.BUILDKIT, Kind.ORPHAN})


def due(ledger: Ledger, doubts: Doubts, now: float) -> set[str]:
    """The folders that may have changed without a sign, or could not be seen whole.

    Layers being made are counted at each look; what failed, or is in doubt, as its backoff
    allows.
    """
    again = {id for id, at in _recounts(ledger).items() if now + TOGETHER_SECONDS >= at}
    again |= {id for id, kept in ledger.kept.items() if kept.kind is Kind.PARTIAL}
    return again | {id for id in _troubled(ledger, doubts) if doubts.backoff.may(id, now)}


def due_in(ledger: Ledger, doubts: Doubts, now: float) -> float | None:
    """The seconds until the first of them is due, but for layers being made."""
    waits = [max(0.0, at - now) for at in _recounts(ledger).values()]
    waits += (doubts.backoff.due_in(id, now) for id in _troubled(ledger, doubts))
    doubted = doubts.due_in(now)
    return min(waits if doubted is None else [*waits, doubted], default=None)


def _troubled(ledger: Ledger, doubts: Doubts) -> set[str]:
    return doubts.again | {
        id
        for id, kept in ledger.kept.items()
        if kept.figures.problems or (kept.figures.changed and kept.kind is not Kind.PARTIAL)
    }


def _recounts(ledger: Ledger) -> dict[str, float]:
    """When to count each folder again that somebody may write to."""
    changing = {id: kept for id, kept in ledger.kept.items() if kept.kind in _CHANGING}
    pauses = recount_pauses({id: kept.seconds for id, kept in changing.items()})
    return {id: kept.counted_at + pauses[id] for id, kept in changing.items()}
