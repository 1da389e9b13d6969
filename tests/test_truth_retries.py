"""What could not be seen for a while is tried again: soon, then more and more seldom, and not for ever."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from clocks import HOUR, Clocks, live_on
from looking import as_json, image
from mirror import Mirror, mirror_of
from needs import missing, need_root
from retries import SlowCounts, try_all, waits_of
from transient import forbidden
from truth import SLOW, becomes_true, scan, true_figures, unlike, untrue

from exporter.demo.planted import PlantedRoot
from exporter.looking import settle
from exporter.looking.records import ATTEMPTS
from exporter.looking.scan import LiveRoot
from exporter.thinking.backoff import LONGEST_SECONDS, RECOUNT_SECONDS, RETRY_SHARE


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def fill(tree: Path) -> None:
    """Make files of one name, and in a folder some of three."""
    (tree / "deep/er").mkdir(parents=True)
    for i in range(20):
        (tree / f"f{i}").touch()
        many_names(tree / "deep/er", f"g{i}", 3)


def many_names(folder: Path, name: str, number: int) -> None:
    (folder / name).touch()
    for i in range(1, number):
        os.link(folder / name, folder / f"{name}-{i}")


def quiet(live: LiveRoot, clocks: Clocks) -> None:
    """Scan until nothing has changed since the last scan, and all is settled."""
    for seconds in (0, 5, 5):
        clocks.wait(seconds)
        report = scan(live)
    assert (report.scan.coverage, report.problems) == (1.0, ())


# A file that cannot be asked for its links.


@pytest.mark.parametrize(
    ("watched", "busy"), [(settle.WATCHED, False), (settle.WATCHED, True), (0, True)]
)
def test_a_file_that_is_blocked_after_a_quiet_scan_is_uncovered_until_it_can_be_asked(
    planted: PlantedRoot,
    clocks: Clocks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    watched: int,
    busy: bool,
) -> None:
    """`watched`: whether it is asked for being tight; `busy`: whether the engine builds meanwhile."""
    monkeypatch.setattr(settle, "WATCHED", watched)
    live, folder = one_image(planted, clocks)
    for i in range(20):
        os.link(folder / f"g{i}", tmp_path / str(i))
    if busy:
        planted.image(planted.layer((), lambda t: (t / "own").touch()), "other:1")
    truth = true_figures(planted)
    with forbidden(folder):
        for seconds in (0, 5, 5, 30):
            clocks.wait(seconds)
            report = scan(live)
            assert report.scan.coverage < 1
            assert untrue(report, truth) == {}
    becomes_true(live, clocks, planted)
    assert live.due_in() is None


def test_a_file_that_stays_blocked_is_asked_more_and_more_seldom(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    live, folder = one_image(planted, clocks)
    with forbidden(folder):
        scan(live)
        waits = waits_of(live, clocks, 11)
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-2:] == [LONGEST_SECONDS] * 2
    scan(live)
    with forbidden(folder):  # the trouble was over for a moment only
        scan(live)
        assert waits_of(live, clocks, 1) == [LONGEST_SECONDS]
    becomes_true(live, clocks, planted)


def one_image(root: PlantedRoot, clocks: Clocks) -> tuple[LiveRoot, Path]:
    """An image that was scanned, and a folder of its files. No seconds pass but those that are waited."""
    base = root.layer((), fill)
    root.image(base, "base:1")
    live = live_on(root, clocks)
    live.monotonic = lambda: clocks.passed
    quiet(live, clocks)
    assert live.due_in() is None
    return live, root.tree(base) / "deep/er"


# A folder that somebody may write to though nobody refers to it.


@pytest.mark.parametrize("shape", ["root", "upper"])
@pytest.mark.parametrize("name", ["new", "old"])
def test_new_names_in_an_orphan_are_seen_when_it_is_counted_again(
    planted: PlantedRoot, clocks: Clocks, shape: str, name: str
) -> None:
    planted.image(planted.layer((), fill), "a:1")
    folder = planted.home / ("f" * 64)
    (folder / shape / "deep").mkdir(parents=True)
    (folder / "lower-id").write_text("x")
    (folder / shape / "deep/old").touch()
    live = live_on(planted, clocks)
    clocks.wait(2 * HOUR)
    assert as_json(scan(live))["layers"]["orphan"] == 1
    many_names(folder / shape / "deep", name, 500)
    assert untrue(scan(live), true_figures(planted), slow=SLOW) == {}
    wait = live.due_in()
    assert wait is not None
    assert 0 < wait <= RECOUNT_SECONDS
    clocks.wait(wait)
    report = scan(live)
    assert report.links_max == 500
    assert unlike(report, clocks, planted) == {}


# A layer that cannot be seen whole.


@pytest.fixture
def mirror(planted: PlantedRoot, tmp_path: Path) -> Iterator[Mirror]:
    need_root()
    if not os.path.exists("/dev/fuse"):
        missing("/dev/fuse")
    planted.image(planted.layer((), fill), "a:1")
    with mirror_of(planted.path, tmp_path / "mirror") as mounted:
        yield mounted


@pytest.mark.root
def test_a_layer_that_changes_each_time_it_is_counted_is_tried_more_and_more_seldom(
    planted: PlantedRoot, mirror: Mirror, clocks: Clocks
) -> None:
    live = live_on(mirror, clocks)
    scan(live)
    late = planted.layer((), fill)
    planted.image(late, "late:1")
    folder = str((planted.tree(late) / "deep/er").relative_to(planted.path))
    mirror.fail(errno.ESTALE, folder)
    tries = []
    for _ in range(4):
        tries.append(0)
        for _ in range(60):
            before = mirror.opened(folder)
            clocks.wait(1)
            report = scan(live)
            assert report.scan.coverage < 1
            assert image(report, "late:1")["layers_left"]["links"] is None
            tries[-1] += mirror.opened(folder) > before
    assert 3 <= tries[0] <= 8
    assert 1 <= sum(tries[1:]) <= 6
    wait = live.due_in()
    assert wait is not None
    assert 0 < wait <= LONGEST_SECONDS
    mirror.obey()
    clocks.wait(wait)
    report = scan(live)
    assert (report.scan.coverage, report.scan.complete, report.problems) == (1.0, True, ())
    assert image(report, "late:1")["layers_left"]["links"] == (65_000 - 3) // 3


@pytest.fixture
def chains(planted: PlantedRoot) -> list[tuple[str, ...]]:
    """The layers of many images."""
    made = [planted.layer((), fill) for _ in range(8)]
    for i, diffs in enumerate(made):
        planted.image(diffs, f"many:{i}")
    return made


def test_retries_of_many_folders_take_a_bounded_share_of_the_time_together(
    planted: PlantedRoot,
    chains: list[tuple[str, ...]],
    clocks: Clocks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live = live_on(planted, clocks)
    counts = SlowCounts(monkeypatch, 5.0)
    with forbidden(*(planted.tree(diffs) / "deep/er" for diffs in chains)):
        scan(live)
        once = counts.spent
        waits_of(live, clocks, 100)
    assert once == 8 * 5.0
    assert 10 * once < counts.spent <= 2 * once + RETRY_SHARE * clocks.passed
    assert unlike(try_all(live, clocks), clocks, planted) == {}


@pytest.mark.root
def test_layers_that_change_each_time_take_a_bounded_share_of_the_time_together(
    planted: PlantedRoot,
    chains: list[tuple[str, ...]],
    mirror: Mirror,
    clocks: Clocks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders = [planted.tree(diffs) / "deep/er" for diffs in chains]
    mirror.fail(errno.ESTALE, *(str(folder.relative_to(planted.path)) for folder in folders))
    live = live_on(mirror, clocks)
    counts = SlowCounts(monkeypatch, 5.0)
    scan(live)
    once = counts.spent
    waits_of(live, clocks, 40)
    assert 3 * once < counts.spent <= 2 * once + ATTEMPTS * RETRY_SHARE * clocks.passed
    mirror.obey()
    report = try_all(live, clocks)
    assert (report.scan.coverage, report.scan.complete, report.problems) == (1.0, True, ())
