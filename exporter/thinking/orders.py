"""What the daemon tells a root's worker process, and what it hears back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from exporter.model import Reports, Root

RECONCILE_SECONDS: Final = 86_400.0
"""How often all is counted anew where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Orders:
    """Which root to look at, and how many seconds after a look the next one begins.

    Every `reconcile` seconds all is counted anew.
    """

    root: Root
    rootfs: Path
    interval: float
    reconcile: float = RECONCILE_SECONDS


@dataclass(frozen=True, slots=True)
class WatchState:
    """How the watch of a root stands.

    `events`, `overflows` and, by driver, `failed` layers are counted from the worker's start.
    `trouble` says why there is no watch.
    """

    active: bool = False
    events: int = 0
    overflows: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    trouble: str = ""

    def plus(self, earlier: WatchState) -> WatchState:
        """Add what was counted earlier."""
        failed = {
            name: self.failed.get(name, 0) + earlier.failed.get(name, 0)
            for name in {**self.failed, **earlier.failed}
        }
        return replace(
            self,
            events=self.events + earlier.events,
            overflows=self.overflows + earlier.overflows,
            failed=failed,
        )


Identity = tuple[int, int]
"""Device and inode number of a root's folder, by which it is known under any of its names."""


@dataclass(frozen=True, slots=True)
class Stands:
    """The root's folder is this one."""

    identity: Identity


@dataclass(frozen=True, slots=True)
class Answer:
    """The newest reports of the root. `failure` is the traceback of a bug, for the log."""

    reports: Reports
    watch: WatchState
    failure: str = ""
