"""A root under watch: looked at when something happened, and now and then all the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter.disk.drivers import DRIVERS
from exporter.disk.watch import Place, Watch, places
from exporter.looking.scan import LiveRoot, Now, Publish
from exporter.model import Reports, Root
from exporter.thinking.attempts import Attempts
from exporter.thinking.orders import RECONCILE_SECONDS, WatchState

RETRY_SECONDS: Final = 300.0
"""A count of all that failed is tried again after this long."""

_NOTHING: Final = "there is no storage root to watch"


class WatchedRoot:
    """One root with its watch.

    `wake` is called, from another thread, when there is something to see; `woken` tells in
    the midst of a long look that it was. Whatever the watch says, all is counted anew every
    `reconcile` seconds.
    """

    def __init__(
        self,
        root: Root,
        rootfs: Path,
        wake: Callable[[], None],
        woken: Callable[[], bool],
        reconcile: float = RECONCILE_SECONDS,
        monotonic: Now = time.monotonic,
    ) -> None:
        self.reconcile = reconcile
        self._monotonic = monotonic
        self._woken = woken
        self.live = LiveRoot(root, rootfs, monotonic=monotonic, woken=woken)
        self.watch = Watch(wake)
        self.attempts = {driver.name: Attempts(monotonic) for driver in DRIVERS}
        self.trouble = ""
        self._losses = 0
        self._counted_at = monotonic()

    @property
    def state(self) -> WatchState:
        """How the watch stands."""
        return WatchState(
            self.watch.active and not self.trouble,
            self.watch.events,
            self.watch.overflows,
            {name: attempts.failed for name, attempts in self.attempts.items()},
            self.trouble,
        )

    @property
    def pending(self) -> bool:
        """Whether another look is due soon, to judge what went."""
        return any(attempts.pending for attempts in self.attempts.values())

    def due_in(self) -> float | None:
        """The seconds until another look has something to do, if it has before an event."""
        return self.live.due_in()

    def look(self, publish: Publish) -> Reports:
        """Arm the watch, then look; so nothing that happens meanwhile is missed.

        After a loss of the watch, and now and then, all is counted anew.
        """
        places = self._places()
        self.trouble = self.watch.arm(places) or ("" if len(places) > 1 else _NOTHING)
        read_at = self._monotonic()
        losses = self.watch.losses
        if losses != self._losses or self.trouble:
            for attempts in self.attempts.values():
                attempts.events_lost()
        anew = losses != self._losses or read_at - self._counted_at >= self.reconcile
        self._losses = losses
        if anew:
            self._counted_at = read_at
        reports = self.live.look(publish, anew=anew)
        if anew and not any(report.up for report in reports):
            self._counted_at -= max(0.0, self.reconcile - RETRY_SECONDS)
        for name, attempts in self.attempts.items():
            live = driver.live if (driver := self.live.drivers.get(name)) else None
            if live is None:
                attempts.events_lost()
            else:
                attempts.judge(live.records.lineage)
        return reports

    def order(self, root: Root, rootfs: Path) -> None:
        """Look at this root from now on; what is counted is kept where it is the same."""
        if root != self.live.root:
            self.live = LiveRoot(root, rootfs, monotonic=self._monotonic, woken=self._woken)

    def _places(self) -> list[Place]:
        site = self.live.site
        found = [Place(site.seen())]
        for name in (driver.name for driver in DRIVERS if site.holds(driver)):
            found += places(site.seen(name), site.seen("image", name), self.attempts[name])
        return found
