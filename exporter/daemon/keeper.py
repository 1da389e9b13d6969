"""The daemon's side of a root's worker process: starts it, hears it, starts it again if it dies."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Final

from exporter.logs import logger
from exporter.model import Problem, Reports
from exporter.processes import start
from exporter.thinking.orders import Answer, Identity, Orders, Stands, WatchState

RESTART_SECONDS: Final = 5.0
"""Pause before a worker that died is started again."""

_MOST_LOGGED: Final = 20


class Keeper:
    """Keeps one root's worker process, and the newest reports it gave.

    `found_at` and `started` are by the clock of the caller, which no setting of the time changes.
    `moved` is called, from another thread, when the worker says which folder the root is.
    """

    def __init__(
        self, orders: Orders, found_at: float, moved: Callable[[], None] = lambda: None
    ) -> None:
        self.identity: Identity | None = None
        self._moved = moved
        self.orders = orders
        self.found_at = found_at
        self.started = found_at
        self.reports: Reports | None = None
        self.watch = WatchState()
        self._earlier = WatchState()
        self._pipe: Connection[Orders, Answer | Stands] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._run, name=f"root {orders.root.path}", daemon=True
        )
        self._thread.start()

    @property
    def is_gone(self) -> bool:
        """Whether it was stopped and its process has ended: one on a dead mount may not."""
        ended = self._process is None or self._process.poll() is not None
        return self._stopped.is_set() and ended and not self._thread.is_alive()

    @property
    def pid(self) -> int | None:
        """The worker's process id."""
        return self._process.pid if self._process else None

    def order(self, orders: Orders, found_at: float) -> None:
        """Give new orders, if they are new."""
        self.found_at = found_at
        with self._lock:
            if orders == self.orders:
                return
            self.orders = orders
            if self._pipe is not None:
                try:
                    self._pipe.send(orders)
                except OSError:  # it died just now; the next one gets the new orders
                    return

    def stop(self) -> None:
        """End the worker, whatever it is doing; what it still finds is told to nobody."""
        self._stopped.set()
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def _run(self) -> None:
        while not self._stopped.is_set():
            why = "it ended"
            try:
                self._keep_one()
            except OSError as error:  # no process or pipe to be had now; later there may be
                why = error.strerror or str(error)
            except Exception as error:  # noqa: BLE001  (a bug here must not leave the root alone for ever)
                why = f"unexpected error: {type(error).__name__}: {error}"
            if not self._stopped.is_set():
                logger().error("a root's worker died", root=self.orders.root.path, reason=why)
            self._stopped.wait(RESTART_SECONDS)

    def _keep_one(self) -> None:
        """Start a worker and hear it until it ends."""
        with self._lock:
            if self._stopped.is_set():
                return
            self._process, pipe = start("exporter.daemon.worker")
            with suppress(OSError):  # it died at once; that is heard below
                pipe.send(self.orders)
            self._pipe = pipe
        with pipe:
            try:
                while True:
                    self._hear(pipe.recv())
            except (EOFError, OSError):
                pass
            finally:
                with self._lock:
                    self._pipe = None
                self._earlier = self.watch = replace(self.watch, active=False)
        self._process.wait()

    def _hear(self, answer: Answer | Stands) -> None:
        if self._stopped.is_set():
            return
        if isinstance(answer, Stands):
            self.identity = answer.identity
            self._moved()
            return
        if answer.failure:
            logger().error("looking at a root failed", failure=answer.failure)
        known = {p for report in self.reports or () for p in report.problems}
        fresh = [p for report in answer.reports for p in report.problems if p not in known]
        if answer.watch.trouble and answer.watch.trouble != self.watch.trouble:
            logger().warning("changes are not seen as they happen", reason=answer.watch.trouble)
        self.watch = answer.watch.plus(self._earlier)
        self.reports = answer.reports
        _log(answer.reports, fresh)


def _log(reports: Reports, fresh: list[Problem]) -> None:
    """Log each problem once, when it comes."""
    for problem in fresh[:_MOST_LOGGED]:
        logger().warning(problem.what, where=problem.where, reason=str(problem.reason))
    for report in reports:
        logger().debug(
            "looked", root=report.root, driver=report.driver, coverage=report.scan.coverage
        )
