"""A root under watch: all of it is counted anew now and then, and again soon where that failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clocks import HOUR, Clocks
from transient import forbidden

from exporter.demo.planted import PlantedRoot
from exporter.disk.site import never
from exporter.looking.watched import RETRY_SECONDS, WatchedRoot
from exporter.model import FullPass, Root


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def root(planted: PlantedRoot, clocks: Clocks) -> Iterator[WatchedRoot]:
    planted.image(planted.layer((), lambda t: (t / "file").touch()), "a:1")
    watched = WatchedRoot(
        Root(str(planted.path), planted.path),
        Path("/"),
        wake=lambda: None,
        woken=never,
        monotonic=clocks.monotonic,
    )
    yield watched
    watched.watch.stop()


def full_pass(root: WatchedRoot) -> FullPass | None:
    (report,) = root.look(lambda _: None)
    return report.scan.full


def test_all_is_counted_anew_once_a_day(root: WatchedRoot, clocks: Clocks) -> None:
    first = full_pass(root)
    clocks.wait(23 * HOUR)
    assert full_pass(root) == first
    clocks.wait(1 * HOUR)
    anew = full_pass(root)
    assert anew not in (first, None)
    clocks.wait(23 * HOUR)
    assert full_pass(root) == anew


def test_a_count_of_all_that_failed_is_tried_again_soon(
    root: WatchedRoot, planted: PlantedRoot, clocks: Clocks
) -> None:
    first = full_pass(root)
    clocks.wait(24 * HOUR)
    with forbidden(planted.home):
        assert full_pass(root) is None
    assert full_pass(root) == first
    clocks.wait(RETRY_SECONDS)
    assert full_pass(root) not in (first, None)
