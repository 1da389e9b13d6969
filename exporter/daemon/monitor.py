"""All roots under watch: finds them, keeps a worker process for each, holds the newest reports.

A root on a dead mount holds up no other, and no root is ever looked at twice at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter.daemon.keeper import Keeper
from exporter.disk.roots import RootsError
from exporter.logs import logger
from exporter.model import Reports, Root
from exporter.thinking.orders import RECONCILE_SECONDS, Identity, Orders, WatchState

GONE_SECONDS: Final = 600.0
"""A root that was found, not named, is forgotten when it is gone for this long."""

TWIN_SECONDS: Final = 600.0
"""A root that was another one under a second name is looked at again after this long."""

Find = Callable[[], Sequence[Root]]


@dataclass(frozen=True, slots=True)
class _Twin:
    """A root that is the folder `identity`, as the root `first` is; found out at `since`."""

    first: str
    identity: Identity
    since: float


class Monitor:
    """All roots under watch. `rootfs` is where this process sees the host's `/`; `now` a monotonic clock."""

    def __init__(self, rootfs: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._rootfs = rootfs
        self._now = now
        self._keepers: dict[str, Keeper] = {}
        self._leaving: dict[str, Keeper] = {}
        self._twins: dict[str, _Twin] = {}
        self._find: Find = tuple
        self._interval = 1.0
        self._reconcile = RECONCILE_SECONDS
        self._searched = False
        self._wake = threading.Event()
        self._stopped = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="roots", daemon=True)

    def follow(self, find: Find, interval: float, reconcile: float = RECONCILE_SECONDS) -> None:
        """Look at these roots from now on, each again `interval` seconds after its last look.

        Every `reconcile` seconds each is counted anew.
        """
        with self._lock:
            self._find, self._interval, self._reconcile = find, interval, reconcile
        if not self._thread.is_alive():
            self._thread.start()
        self._wake.set()

    @property
    def reports(self) -> Reports:
        """The newest reports of all roots, in the order of their paths."""
        return tuple(report for keeper in self.keepers for report in keeper.reports or ())

    @property
    def watches(self) -> dict[str, WatchState]:
        """How the watch of each root stands, by its path."""
        return {keeper.orders.root.path: keeper.watch for keeper in self.keepers}

    @property
    def waiting(self) -> dict[str, float]:
        """The roots without a first answer, with the seconds since when each is scanned."""
        now = self._now()
        return {
            keeper.orders.root.path: now - keeper.started
            for keeper in self.keepers
            if keeper.reports is None
        }

    @property
    def keepers(self) -> list[Keeper]:
        """The keepers of all roots, in the order of their paths; each folder once."""
        with self._lock:
            return [k for path, k in sorted(self._keepers.items()) if path not in self._twins]

    @property
    def ready(self) -> bool:
        """Whether every root has its first answer."""
        return self._searched and all(keeper.reports is not None for keeper in self.keepers)

    def stop(self) -> None:
        """End all looking."""
        self._stopped = True
        self._wake.set()
        with self._lock:
            keepers = list(self._keepers.values())
        for keeper in keepers:
            keeper.stop()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.clear()
            try:
                roots = self._find()
            except RootsError as error:
                logger().error(str(error))
            except Exception:  # noqa: BLE001  (a bug here must not end the search for ever)
                logger().exception("looking for roots failed")
            else:
                self._apply(roots)
            self._wake.wait(self._interval)

    def _apply(self, roots: Sequence[Root]) -> None:
        now = self._now()
        wanted = {root.path: root for root in roots}
        searching = all(root.discovered for root in roots)
        with self._lock:
            for path, keeper in list(self._keepers.items()):
                found = keeper.orders.root.discovered
                kept = searching and found and now - keeper.found_at < GONE_SECONDS
                if path not in wanted and not kept:
                    self._leave(path)
            self._part_twins(wanted, now)
            self._leaving = {p: k for p, k in self._leaving.items() if not k.is_gone}
            for path, root in wanted.items():
                orders = Orders(root, self._rootfs, self._interval, self._reconcile)
                if path in self._keepers:
                    self._keepers[path].order(orders, now)
                elif path not in self._leaving and not self._stopped and not self._rests(path, now):
                    self._keepers[path] = Keeper(orders, now, self._wake.set)
            self._searched = True

    def _leave(self, path: str) -> None:
        self._leaving[path] = self._keepers.pop(path)
        self._leaving[path].stop()

    def _part_twins(self, wanted: Iterable[str], now: float) -> None:
        """Of roots that are one folder, keep the one that is named or found first."""
        self._twins = {
            path: twin
            for path, twin in self._twins.items()
            if path in wanted and twin.first in self._keepers
        }
        firsts: dict[Identity, str] = {}
        for path in wanted:
            keeper = self._keepers.get(path)
            if keeper is None or keeper.identity is None:
                continue
            first = firsts.setdefault(keeper.identity, path)
            if first == path:
                self._twins.pop(path, None)
                continue
            if path not in self._twins:
                logger().info("one root under two names", root=first, left_out=path)
            self._twins[path] = _Twin(first, keeper.identity, now)
            self._leave(path)

    def _rests(self, path: str, now: float) -> bool:
        """Whether a root is another one under a second name, as far as is known of both."""
        twin = self._twins.get(path)
        first = self._keepers.get(twin.first) if twin else None
        if twin is None or first is None or first.identity != twin.identity:
            return False
        return now - twin.since < TWIN_SECONDS
