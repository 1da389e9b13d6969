"""The process that walks one root: low in CPU and I/O priority, apart from the web server.

It is started as `python -P -m exporter.daemon.worker PARENT FD`: PARENT is the daemon's process id, FD our
end of a pipe: orders come in, answers go out. It ends when the pipe does. It imports nothing of the web stack, and a
walk that hangs on a dead mount hangs this process alone.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection, wait
from typing import Final

from exporter.looking.driven import down
from exporter.looking.watched import WatchedRoot
from exporter.processes import be_a_good_neighbour, end_with_parent
from exporter.thinking.attempts import RIPE_SECONDS
from exporter.thinking.orders import Answer, Orders, Stands

QUIET_SECONDS: Final = 0.2
"""A burst of events is over when none came for this long."""

LONGEST_BURST: Final = 1.0
"""A burst is looked at after this long even if it goes on."""

POLL_SECONDS: Final = 5.0
"""Without a watch, the times of the folders are looked at this often."""

SOONEST_SECONDS: Final = 0.5
"""Shortest pause between two looks that no event asked for."""


def main() -> None:
    """Look at a root again and again, as ordered, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon; it closes the pipe
    parent, fd = (int(word) for word in sys.argv[1:])
    end_with_parent(parent)
    be_a_good_neighbour()
    pipe: Connection[Answer | Stands, Orders] = Connection(fd)
    try:
        _serve(pipe)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _serve(pipe: Connection[Answer | Stands, Orders]) -> None:
    """Look when something happened, and when the interval is over; take new orders in between."""
    happened = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    orders = pipe.recv()
    woken = _AtMostOften(happened, orders.interval)
    root = WatchedRoot(
        orders.root,
        orders.rootfs,
        wake=lambda: os.eventfd_write(happened, 1),
        woken=woken,
        reconcile=orders.reconcile,
    )
    identity = None
    while True:
        stands = root.live.site.identity()
        if stands is not None and stands != identity:
            identity = stands
            pipe.send(Stands(stands))
        pipe.send(_look(root, pipe))
        if happened in _wait(root, [pipe, happened], orders.interval):
            _let_it_rest(happened)
        if pipe.poll():
            orders = pipe.recv()
            woken.interval, root.reconcile = orders.interval, orders.reconcile
            root.order(orders.root, orders.rootfs)


def _wait(
    root: WatchedRoot, heard: list[Connection[Answer | Stands, Orders] | int], most: float
) -> list[object]:
    """Wait until there is a reason to look; give what is ready. A glance now and then is no look."""
    until = time.monotonic() + min(most, _patience(root))
    while True:
        left = max(0.0, until - time.monotonic())
        glance_in = root.live.glance_in()
        ready = wait(heard, left if glance_in is None else min(left, glance_in))
        if ready or time.monotonic() >= until or root.live.glance():
            return list(ready)


def _patience(root: WatchedRoot) -> float:
    """How long the next look may wait for something to happen."""
    if root.pending:
        return RIPE_SECONDS
    due = root.due_in()
    soon = math.inf if due is None else max(due, SOONEST_SECONDS)
    return min(soon, math.inf if root.state.active else POLL_SECONDS)


class _AtMostOften:
    """Tells, in a long look, whether something happened, at most once in `LONGEST_BURST` seconds.

    It says so all the same when `interval` seconds have gone by: links that others made, and how
    far we are, are to be told meanwhile.
    """

    def __init__(self, happened: int, interval: float) -> None:
        self.interval = interval
        self._happened = happened
        self._told_at = time.monotonic()

    def __call__(self) -> bool:
        now = time.monotonic()
        waited = now - self._told_at
        if waited < LONGEST_BURST:
            return False
        if wait([self._happened], 0):
            os.eventfd_read(self._happened)
        elif waited < self.interval:
            return False
        self._told_at = now
        return True


def _let_it_rest(happened: int) -> None:
    """Wait until a burst of events is over, but not for ever: then one look sees all of it."""
    begun = time.monotonic()
    while True:
        os.eventfd_read(happened)
        left = LONGEST_BURST - (time.monotonic() - begun)
        if left <= 0 or not wait([happened], min(left, QUIET_SECONDS)):
            return


def _look(root: WatchedRoot, pipe: Connection[Answer | Stands, Orders]) -> Answer:
    """Look once. A bug becomes an answer: the root is down, the log has the traceback."""
    try:
        return Answer(root.look(lambda reports: pipe.send(Answer(reports, root.state))), root.state)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # noqa: BLE001  (the one border where a bug is told, not raised)
        root.live.drivers.clear()
        what = f"unexpected error: {type(error).__name__}: {error}"
        return Answer((down(root.live.root, what, time.time),), root.state, traceback.format_exc())


if __name__ == "__main__":
    main()
