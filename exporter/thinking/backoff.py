"""When something is tried or counted again: arithmetic on seconds of a monotonic clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Final

FIRST_SECONDS: Final = 1.0
"""Pause before the first retry; each further one is twice as long."""

LONGEST_SECONDS: Final = 300.0
"""Longest pause between two retries, unless one takes long by itself."""

RETRY_SHARE: Final = 0.02
"""Part of the time that retries may take: together, where each is noted with the seconds of all."""

RECOUNT_SECONDS: Final = 30.0
"""Pause between two counts of a folder that may change without a sign."""

RECOUNT_SHARE: Final = 0.005
"""Part of a core that all such counts may take."""


@dataclass(slots=True)
class _Retry:
    due: float
    pause: float


@dataclass(slots=True)
class Backoff:
    """Retries by name: the pauses double while it goes on failing."""

    _retries: dict[str, _Retry] = field(default_factory=dict)

    def note(self, name: str, now: float, seconds: float = 0.0, *, failed: bool) -> None:
        """Note how a try went that took some seconds."""
        if failed:
            self._failed(name, now, seconds)
        else:
            self._succeeded(name, now)

    def _failed(self, name: str, now: float, seconds: float) -> None:
        """Note a failure. One before the retry is due changes nothing."""
        retry = self._retries.get(name)
        if retry is not None and now < retry.due:
            return
        pause = FIRST_SECONDS if retry is None else min(2 * retry.pause, LONGEST_SECONDS)
        pause = max(pause, seconds / RETRY_SHARE)
        self._retries[name] = _Retry(now + pause, pause)

    def _succeeded(self, name: str, now: float) -> None:
        """Note a success; only one that lasts makes the next pause short again."""
        retry = self._retries.get(name)
        if retry is not None and now >= retry.due + retry.pause:
            del self._retries[name]

    def may(self, name: str, now: float) -> bool:
        """Whether it may be tried now."""
        retry = self._retries.get(name)
        return retry is None or now >= retry.due

    def forget(self, name: str) -> None:
        """Forget its failures."""
        self._retries.pop(name, None)

    def due_in(self, name: str, now: float) -> float:
        """The seconds until it may be tried."""
        retry = self._retries.get(name)
        return 0.0 if retry is None else max(0.0, retry.due - now)


def recount_pauses(seconds: Mapping[str, float]) -> dict[str, float]:
    """How long to wait before each folder is counted again, from its seconds of processor time.

    All of it takes at most `RECOUNT_SHARE` of a core. The pause grows with the square root
    of the cost, which for a given share makes figures least old on average.
    """
    whole = sum(map(sqrt, seconds.values()))
    return {
        name: max(RECOUNT_SECONDS, sqrt(cost) * whole / RECOUNT_SHARE)
        for name, cost in seconds.items()
    }
