"""What is tried again: when, and how much of the time that takes."""

from __future__ import annotations

import time

import pytest
from clocks import Clocks
from truth import scan

from exporter.looking.scan import LiveRoot
from exporter.model import RootReport


def waits_of(live: LiveRoot, clocks: Clocks, number: int) -> list[float]:
    """Scan so often, each time when it is due, and give the seconds in between."""
    waits = []
    for _ in range(number):
        wait = live.due_in()
        assert wait is not None
        waits.append(wait)
        clocks.wait(wait)
        scan(live)
    return waits


def try_all(live: LiveRoot, clocks: Clocks) -> RootReport:
    """Scan as often as something is due, and give what is told then."""
    for _ in range(50):
        if live.due_in() is None:
            return scan(live)
        waits_of(live, clocks, 1)
    raise AssertionError("something is still tried again and again")


class SlowCounts:
    """Lets each count of a folder take so many seconds of processor time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.seconds = seconds
        self._asked = 0  # before each count, and after it
        monkeypatch.setattr(time, "thread_time", self._thread_time)

    @property
    def spent(self) -> float:
        """The seconds of all counts."""
        return self._asked // 2 * self.seconds

    def _thread_time(self) -> float:
        self._asked += 1
        return self._asked * self.seconds
