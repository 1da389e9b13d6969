"""Clocks that go when they are told to, and a way to act at each moment at which a scan looks at one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mirror import Mirror

from exporter.demo.planted import PlantedRoot
from exporter.looking.scan import LiveRoot
from exporter.model import Root

EXT4 = 65_000
HOUR = 3600.0
YEAR = 365 * 24 * HOUR


@dataclass
class Clocks:
    """A wall clock that anybody may set, and a monotonic one."""

    set_by: float = 0.0
    passed: float = 0.0

    def now(self) -> float:
        return time.time() + self.passed + self.set_by

    def monotonic(self) -> float:
        return time.monotonic() + self.passed

    def wait(self, seconds: float) -> None:
        """Let time pass for both."""
        self.passed += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock alone, forward or back."""
        self.set_by += seconds


class Moments:
    """The moments at which a scan calls out. `act` is called at the `at`-th of them, once."""

    def __init__(self, clocks: Clocks, at: int = -1, act: Callable[[], object] = int) -> None:
        self.clocks = clocks
        self.arm(at, act)

    def arm(self, at: int, act: Callable[[], object]) -> None:
        """Count from here."""
        self.count, self.at, self.act = 0, at, act

    def disarm(self) -> None:
        self.arm(-1, int)

    def _meet(self) -> None:
        self.count += 1
        if self.count == self.at:
            self.act()

    def now(self) -> float:
        self._meet()
        return self.clocks.now()

    def monotonic(self) -> float:
        self._meet()
        return self.clocks.monotonic()

    def woken(self) -> bool:
        self._meet()
        return 0 < self.at <= self.count

    def counted(self, _done: int, _of: int) -> None:
        self._meet()

    def published(self, _reports: object) -> None:
        self._meet()


def live_on(
    root: PlantedRoot | Mirror,
    clocks: Clocks | None = None,
    *,
    moments: Moments | None = None,
    limit: int = EXT4,
) -> LiveRoot:
    """A root to be scanned again and again by these clocks."""
    hooks: dict[str, Any] = {}
    if moments is not None:
        hooks = {"woken": moments.woken, "counted": moments.counted}
    clock = moments or clocks or Clocks()
    return LiveRoot(
        Root(str(root.path), root.path, links_limits={str(root.path): limit}),
        now=clock.now,
        monotonic=clock.monotonic,
        **hooks,
    )
