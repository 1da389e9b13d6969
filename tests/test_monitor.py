"""The monitor: roots looked at again and again, each on its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.model import Reports, Root, RootReport, ScanFacts
from exporter.monitor import GONE_SECONDS, Monitor
from exporter.roots import RootsError


def a_root(path: str, *, discovered: bool = False, limit: int | None = None) -> Root:
    return Root(path, Path(path), discovered, limit)


def report(root: Root) -> Reports:
    return (RootReport(root.path, ScanFacts(True, 1.0, root.links_limit or 0)),)


def await_that(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def started(clock: Clock) -> Iterator[Callable[..., Monitor]]:
    """Start monitors, and stop them at the end."""
    monitors: list[Monitor] = []

    def start(look: Callable[[Root], Reports], find: Callable[[], tuple[Root, ...]]) -> Monitor:
        monitors.append(Monitor(look, clock))
        monitors[-1].follow(find, 0.01)
        return monitors[-1]

    yield start
    for monitor in monitors:
        monitor.stop()


def paths(monitor: Monitor) -> list[str]:
    return [r.root for r in monitor.reports]


def test_all_roots_are_reported_in_the_order_of_their_paths(
    started: Callable[..., Monitor],
) -> None:
    monitor = started(report, lambda: (a_root("/b"), a_root("/a")))
    await_that(lambda: monitor.ready)
    assert paths(monitor) == ["/a", "/b"]


def test_a_stuck_root_holds_up_no_other_and_is_never_looked_at_twice_at_a_time(
    started: Callable[..., Monitor],
) -> None:
    stuck, looks = threading.Event(), []

    def look(root: Root) -> Reports:
        looks.append(root.path)
        if root.path == "/stuck":
            stuck.wait(10)
        return report(root)

    monitor = started(look, lambda: (a_root("/stuck"), a_root("/well")))
    await_that(lambda: looks.count("/well") > 5)
    assert (paths(monitor), monitor.ready) == (["/well"], False)
    assert looks.count("/stuck") == 1
    stuck.set()
    await_that(lambda: monitor.ready)


def test_without_any_root_it_is_ready_and_has_nothing(started: Callable[..., Monitor]) -> None:
    monitor = started(report, tuple)
    await_that(lambda: monitor.ready)
    assert monitor.reports == ()


def test_a_bug_in_one_look_is_a_problem_of_that_root_and_the_next_look_may_heal_it(
    started: Callable[..., Monitor],
) -> None:
    broken = [True]

    def look(root: Root) -> Reports:
        if broken[0]:
            raise ZeroDivisionError("a bug")
        return report(root)

    monitor = started(look, lambda: (a_root("/a"),))
    await_that(lambda: monitor.ready)
    (told,) = monitor.reports
    assert [p.what for p in told.problems] == ["unexpected error: ZeroDivisionError: a bug"]
    broken[0] = False
    await_that(lambda: monitor.reports[0].problems == ())


def test_a_found_root_that_is_gone_is_kept_for_ten_minutes_a_named_one_for_ever(
    started: Callable[..., Monitor], clock: Clock
) -> None:
    found: list[tuple[Root, ...]] = [(a_root("/a", discovered=True),)]
    monitor = started(report, lambda: found[0])
    await_that(lambda: monitor.ready)
    found[0] = ()
    clock.time = GONE_SECONDS - 1
    time.sleep(0.1)
    assert paths(monitor) == ["/a"]
    clock.time = GONE_SECONDS
    await_that(lambda: paths(monitor) == [])


def test_a_root_no_longer_named_is_dropped_at_once(started: Callable[..., Monitor]) -> None:
    monitor = started(report, lambda: (a_root("/a"), a_root("/b")))
    await_that(lambda: monitor.ready)
    monitor.follow(lambda: (a_root("/b"),), 0.01)
    await_that(lambda: paths(monitor) == ["/b"])


def test_a_new_limit_is_in_force_at_the_next_look(started: Callable[..., Monitor]) -> None:
    monitor = started(report, lambda: (a_root("/a", limit=5),))
    await_that(lambda: [r.scan.looked for r in monitor.reports] == [5])
    monitor.follow(lambda: (a_root("/a", limit=6),), 3600)
    await_that(lambda: [r.scan.looked for r in monitor.reports] == [6])


def test_roots_that_cannot_be_found_out_leave_the_old_ones(
    started: Callable[..., Monitor],
) -> None:
    def fail() -> tuple[Root, ...]:
        raise RootsError("daemon.json: is not JSON")

    monitor = started(report, lambda: (a_root("/a"),))
    await_that(lambda: monitor.ready)
    monitor.follow(fail, 0.01)
    time.sleep(0.05)
    assert paths(monitor) == ["/a"]
