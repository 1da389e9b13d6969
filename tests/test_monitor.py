"""The monitor and its workers: real processes, stopped, killed and starved for real."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ending import alive
from needs import PATIENCE

from exporter.daemon.keeper import RESTART_SECONDS
from exporter.daemon.monitor import GONE_SECONDS, TWIN_SECONDS, Monitor
from exporter.demo.planted import PlantedRoot
from exporter.disk.roots import RootsError
from exporter.model import Root


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
def monitor(clock: Clock) -> Iterator[Monitor]:
    made = Monitor(Path("/"), clock)
    yield made
    made.stop()


@pytest.fixture
def two(tmp_path: Path) -> tuple[Root, Root]:
    """Give two roots with one layer each."""
    roots = []
    for name in ("a", "b"):
        root = PlantedRoot(tmp_path / name)
        root.image(root.layer((), lambda t: (t / "file").touch()), "one:1")
        roots.append(a_root(root.path))
    return roots[0], roots[1]


def a_root(path: Path, *, discovered: bool = False, limit: int | None = None) -> Root:
    return Root(str(path), path, discovered, {str(path): limit} if limit else {})


def await_that(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def paths(monitor: Monitor) -> list[str]:
    return [r.root for r in monitor.reports]


def test_all_roots_are_reported_in_the_order_of_their_paths(
    monitor: Monitor, two: tuple[Root, Root]
) -> None:
    monitor.follow(lambda: two[::-1], 0.05)
    await_that(lambda: monitor.ready)
    assert paths(monitor) == [two[0].path, two[1].path]
    assert all(r.up for r in monitor.reports)


def test_a_stuck_worker_holds_up_no_other_and_gets_no_second_one(
    monitor: Monitor, two: tuple[Root, Root]
) -> None:
    monitor.follow(lambda: two, 0.05)
    await_that(lambda: monitor.ready)
    stuck = monitor.keepers[0].pid
    assert stuck
    os.kill(stuck, signal.SIGSTOP)
    looked = [r.scan.looked for r in monitor.reports]
    await_that(lambda: monitor.reports[1].scan.looked > looked[1] + 0.5)
    assert monitor.keepers[0].pid == stuck
    before = monitor.reports[0].scan.looked
    time.sleep(0.3)
    assert monitor.reports[0].scan.looked == before
    os.kill(stuck, signal.SIGCONT)
    await_that(lambda: monitor.reports[0].scan.looked > before)


def test_a_root_is_waiting_until_its_first_answer(
    monitor: Monitor, clock: Clock, two: tuple[Root, Root]
) -> None:
    clock.time = 1000.0
    monitor.follow(lambda: two, 0.05)
    await_that(lambda: monitor.keepers and monitor.keepers[0].pid)
    stuck = monitor.keepers[0].pid
    assert stuck
    os.kill(stuck, signal.SIGSTOP)
    await_that(lambda: paths(monitor) == [two[1].path])
    clock.time = 1007.0
    assert monitor.waiting == {two[0].path: 7.0}
    os.kill(stuck, signal.SIGCONT)
    await_that(lambda: monitor.ready)
    assert monitor.waiting == {}


@pytest.mark.parametrize("step", [1e9, -1e9])
def test_how_long_a_root_waits_is_the_same_when_the_clock_is_set_meanwhile(
    two: tuple[Root, Root], monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    monitor = Monitor(Path("/"))
    try:
        began = time.monotonic()
        monitor.follow(lambda: two[:1], 3600)
        await_that(lambda: monitor.keepers and monitor.keepers[0].pid)
        stuck = monitor.keepers[0].pid
        assert stuck
        os.kill(stuck, signal.SIGSTOP)
        wall = time.time
        monkeypatch.setattr(time, "time", lambda: wall() + step)
        (waited,) = monitor.waiting.values()
        assert 0 <= waited <= time.monotonic() - began
    finally:
        monitor.stop()


def test_a_worker_that_is_killed_is_started_again_and_its_last_answer_stays(
    monitor: Monitor, two: tuple[Root, Root]
) -> None:
    monitor.follow(lambda: two[:1], 0.05)
    await_that(lambda: monitor.ready)
    killed = monitor.keepers[0].pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    await_that(lambda: not alive(killed))
    (last,) = monitor.reports
    assert last.up
    time.sleep(RESTART_SECONDS)
    await_that(lambda: monitor.reports[0].scan.looked > last.scan.looked)
    assert monitor.keepers[0].pid != killed


def test_workers_end_with_the_monitor(monitor: Monitor, two: tuple[Root, Root]) -> None:
    monitor.follow(lambda: two, 0.05)
    await_that(lambda: monitor.ready)
    pids = [keeper.pid or 0 for keeper in monitor.keepers]
    monitor.stop()
    await_that(lambda: not any(alive(pid) for pid in pids))


def test_a_worker_is_of_low_priority_and_knows_no_web(
    monitor: Monitor, two: tuple[Root, Root]
) -> None:
    monitor.follow(lambda: two[:1], 0.05)
    await_that(lambda: monitor.ready)
    pid = monitor.keepers[0].pid
    assert pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    done = subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "idle"
    libraries = Path(f"/proc/{pid}/maps").read_text()
    assert not [name for name in ("pydantic", "_ssl", "_asyncio") if name in libraries]


def test_without_any_root_it_is_ready_and_has_nothing(monitor: Monitor) -> None:
    monitor.follow(tuple, 0.05)
    await_that(lambda: monitor.ready)
    assert monitor.reports == ()


def test_a_found_root_that_is_gone_is_kept_for_ten_minutes(
    monitor: Monitor, clock: Clock, two: tuple[Root, Root]
) -> None:
    found: list[tuple[Root, ...]] = [(a_root(two[0].seen, discovered=True),)]
    monitor.follow(lambda: found[0], 0.05)
    await_that(lambda: monitor.ready)
    found[0] = ()
    clock.time = GONE_SECONDS - 1
    time.sleep(0.3)
    assert paths(monitor) == [two[0].path]
    clock.time = GONE_SECONDS
    await_that(lambda: paths(monitor) == [])


def test_a_root_no_longer_named_is_dropped_at_once(
    monitor: Monitor, two: tuple[Root, Root]
) -> None:
    monitor.follow(lambda: two, 0.05)
    await_that(lambda: monitor.ready)
    monitor.follow(lambda: two[1:], 0.05)
    await_that(lambda: paths(monitor) == [two[1].path])


def test_a_new_limit_is_in_force_at_once(monitor: Monitor, two: tuple[Root, Root]) -> None:
    monitor.follow(lambda: (a_root(two[0].seen, limit=5),), 3600)
    await_that(lambda: [r.limit.value for r in monitor.reports] == [5])
    monitor.follow(lambda: (a_root(two[0].seen, limit=6),), 3600)
    await_that(lambda: [r.limit.value for r in monitor.reports] == [6])


def test_of_two_names_of_one_folder_the_first_stays_and_the_second_has_no_worker(
    monitor: Monitor, two: tuple[Root, Root], tmp_path: Path
) -> None:
    (tmp_path / "c").symlink_to(two[0].seen)
    link = a_root(tmp_path / "c")
    monitor.follow(lambda: (link, *two), 0.05)
    await_that(lambda: monitor.ready and len(workers()) == 2)
    assert paths(monitor) == [two[1].path, link.path]
    assert [keeper.orders.root for keeper in monitor.keepers] == [two[1], link]
    monitor.follow(lambda: two, 0.05)
    await_that(lambda: paths(monitor) == [two[0].path, two[1].path])


def test_a_second_name_that_leads_elsewhere_at_last_is_a_root_of_its_own(
    monitor: Monitor, clock: Clock, two: tuple[Root, Root], tmp_path: Path
) -> None:
    (tmp_path / "c").symlink_to(two[0].seen)
    link = a_root(tmp_path / "c")
    monitor.follow(lambda: (two[0], link), 0.05)
    await_that(lambda: paths(monitor) == [two[0].path] and len(workers()) == 1)
    (tmp_path / "c").unlink()
    (tmp_path / "c").symlink_to(two[1].seen)
    time.sleep(0.5)
    assert paths(monitor) == [two[0].path]
    clock.time = TWIN_SECONDS
    await_that(lambda: paths(monitor) == [two[0].path, link.path])


def workers() -> list[int]:
    """The worker processes that this one has started and that are alive."""
    tasks = Path("/proc/self/task").glob("*/children")
    pids = [int(pid) for task in tasks for pid in task.read_text().split() if alive(int(pid))]
    return [p for p in pids if b"daemon.worker" in Path(f"/proc/{p}/cmdline").read_bytes()]


def test_roots_that_cannot_be_found_out_leave_the_old_ones(
    monitor: Monitor, two: tuple[Root, Root]
) -> None:
    def fail() -> tuple[Root, ...]:
        raise RootsError("daemon.json: is not JSON")

    monitor.follow(lambda: two[:1], 0.05)
    await_that(lambda: monitor.ready)
    monitor.follow(fail, 0.05)
    time.sleep(0.3)
    assert paths(monitor) == [two[0].path]
