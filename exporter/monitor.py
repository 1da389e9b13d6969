"""Looking at roots again and again, and holding the newest report of each.

One thread a root, so that a root on a dead mount holds up no other, and so that no root is
ever looked at twice at a time. Publishing is one assignment of a frozen value.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from exporter.logs import logger
from exporter.model import Problem, Reason, Reports, Root, RootReport, ScanFacts
from exporter.roots import RootsError

GONE_SECONDS: Final = 600.0
"""A root that was found, not named, is forgotten when it is gone for this long."""

_MOST_LOGGED: Final = 20

Look = Callable[[Root], Reports]
Find = Callable[[], Sequence[Root]]


class _RootLoop:
    """One root's thread. `root` may be replaced by the same path with another limit."""

    def __init__(self, root: Root, look: Look, interval: float, now: float) -> None:
        self.root = root
        self.interval = interval
        self.found_at = now
        self.reports: Reports | None = None
        self._look = look
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"root {root.path}", daemon=True)
        self._thread.start()

    def change(self, root: Root, interval: float, now: float) -> None:
        """Take over what a new configuration says of this root; look again if it differs."""
        self.found_at = now
        if (root, interval) != (self.root, self.interval):
            self.root, self.interval = root, interval
            self._wake.set()

    def stop(self) -> None:
        """End after the pass that is under way, if any; what it finds is told to nobody."""
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.clear()
            reports = self._look_safely()
            self._log(reports)
            self.reports = reports
            if not self._stopped:
                self._wake.wait(self.interval)

    def _look_safely(self) -> Reports:
        """Look; a bug of ours in one root must not end the watch of the others, nor go unseen."""
        root = self.root
        try:
            return self._look(root)
        except Exception as error:  # noqa: BLE001  (the one border where a bug is told, not raised)
            logger().exception("looking at a root failed", root=root.path)
            what = f"unexpected error: {type(error).__name__}: {error}"
            facts = ScanFacts(False, 0.0, time.time())
            return (
                RootReport(root.path, facts, problems=(Problem(root.path, what, Reason.ROOT),)),
            )

    def _log(self, reports: Reports) -> None:
        """Tell of each problem once, when it comes."""
        known = {p for report in self.reports or () for p in report.problems}
        fresh = [p for report in reports for p in report.problems if p not in known]
        for problem in fresh[:_MOST_LOGGED]:
            logger().warning(problem.what, where=problem.where, reason=str(problem.reason))
        for report in reports:
            logger().debug(
                "pass done",
                root=report.root,
                driver=report.driver,
                coverage=report.scan.coverage,
            )


class Monitor:
    """All roots under watch. `look` makes the reports of one root; `find` tells which there are."""

    def __init__(self, look: Look, now: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._now = now
        self._loops: dict[str, _RootLoop] = {}
        self._find: Find = tuple
        self._interval = 1.0
        self._searched = False
        self._wake = threading.Event()
        self._stopped = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="roots", daemon=True)

    def follow(self, find: Find, interval: float) -> None:
        """Look at these roots from now on, each again `interval` seconds after its last pass."""
        with self._lock:
            self._find, self._interval = find, interval
        if not self._thread.is_alive():
            self._thread.start()
        self._wake.set()

    @property
    def reports(self) -> Reports:
        """The newest reports of all roots, in the order of their paths."""
        with self._lock:
            loops = sorted(self._loops.items())
        return tuple(report for _, loop in loops for report in loop.reports or ())

    @property
    def ready(self) -> bool:
        """Whether every root has its first answer."""
        with self._lock:
            return self._searched and all(x.reports is not None for x in self._loops.values())

    def stop(self) -> None:
        """Start no further pass."""
        self._stopped = True
        self._wake.set()
        with self._lock:
            for loop in self._loops.values():
                loop.stop()

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
            for path, loop in list(self._loops.items()):
                kept = searching and loop.root.discovered and now - loop.found_at < GONE_SECONDS
                if path not in wanted and not kept:
                    self._loops.pop(path).stop()
            for path, root in wanted.items():
                if path in self._loops:
                    self._loops[path].change(root, self._interval, now)
                elif not self._stopped:
                    self._loops[path] = _RootLoop(root, self._look, self._interval, now)
            self._searched = True
