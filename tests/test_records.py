"""What the engine's records say is read when they change, and an image's parent soon after it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from clocks import Clocks, live_on
from parents import write_parent
from truth import scan

from exporter.demo.planted import PlantedRoot
from exporter.looking.records import YOUNG_IMAGE_SECONDS
from exporter.looking.scan import LiveRoot


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def base(planted: PlantedRoot) -> tuple[str, ...]:
    """A layer for images to stand on."""
    return planted.layer((), lambda t: (t / "file").touch())


def make_old(root: PlantedRoot, image: str, seconds: float) -> None:
    """Let an image's record have been written so long ago."""
    then = time.time() - seconds
    os.utime(root.image_home / "imagedb/content/sha256" / image[7:], (then, then))


def listed(live: LiveRoot) -> set[str]:
    return {image.id for image in scan(live).images}


@pytest.mark.parametrize("folder_is_there", [False, True])
def test_a_parent_that_comes_after_its_image_is_glanced_until_a_look_has_seen_it(
    planted: PlantedRoot, base: tuple[str, ...], clocks: Clocks, folder_is_there: bool
) -> None:
    live = live_on(planted, clocks)
    scan(live)
    between = planted.image(base)
    top = planted.image(planted.layer(base, lambda t: (t / "own").touch()), "top:1")
    if folder_is_there:
        (planted.image_home / "imagedb/metadata/sha256" / top[7:]).mkdir()
    clocks.wait(2)
    assert listed(live) == {between, top}
    assert not live.glance()
    write_parent(planted, top, between)
    assert live.glance()
    assert live.glance()  # it is no look
    assert listed(live) == {top}
    assert not live.glance()


def test_glances_become_rarer_and_end_when_no_image_is_young(
    planted: PlantedRoot, base: tuple[str, ...], clocks: Clocks
) -> None:
    live = live_on(planted, clocks)
    scan(live)
    assert live.glance_in() is None
    planted.image(base, "a:1")
    scan(live)
    waits: list[float] = []
    while len(waits) < 20 and (wait := live.glance_in()) is not None:
        waits.append(wait)
        clocks.wait(wait)
    assert waits[0] == pytest.approx(1.0)
    assert waits == sorted(waits)
    assert YOUNG_IMAGE_SECONDS <= sum(waits) < 2 * YOUNG_IMAGE_SECONDS
    assert len(waits) < 20


def test_a_look_does_not_make_an_image_young_again(
    planted: PlantedRoot, base: tuple[str, ...], clocks: Clocks
) -> None:
    live = live_on(planted, clocks)
    scan(live)
    planted.image(base, "a:1")
    for passed in range(0, 60, 10):
        scan(live)
        assert live.glance_in() == pytest.approx(max(1.0, passed / 3), abs=0.5)
        clocks.wait(10)
    planted.image(base, "b:1")
    scan(live)
    assert live.glance_in() == pytest.approx(1.0)
    clocks.wait(YOUNG_IMAGE_SECONDS)
    scan(live)
    assert live.glance_in() is None


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_an_image_is_young_by_the_steady_clock(
    planted: PlantedRoot, base: tuple[str, ...], clocks: Clocks, step: float
) -> None:
    live = live_on(planted, clocks)
    scan(live)
    planted.image(base, "a:1")
    scan(live)
    clocks.step(step)
    scan(live)
    assert live.glance_in() == pytest.approx(1.0)
    clocks.wait(YOUNG_IMAGE_SECONDS + 1)
    assert live.glance_in() is None


@pytest.mark.parametrize(("age", "young"), [(1, True), (50, True), (70, False), (7200, False)])
def test_at_the_first_look_an_image_is_as_young_as_its_record(
    planted: PlantedRoot, base: tuple[str, ...], clocks: Clocks, age: float, young: bool
) -> None:
    make_old(planted, planted.image(base, "a:1"), age)
    live = live_on(planted, clocks)
    scan(live)
    assert (live.glance_in() is not None) == young


def test_an_image_that_has_its_parent_or_goes_is_not_waited_for(
    planted: PlantedRoot, base: tuple[str, ...], clocks: Clocks, tmp_path: Path
) -> None:
    live = live_on(planted, clocks)
    scan(live)
    between = planted.image(base)
    top = planted.image(planted.layer(base, lambda t: (t / "own").touch()), parent=between)
    scan(live)
    assert live.glance_in() is None
    gone = planted.image(base)
    scan(live)
    assert live.glance_in() is not None
    content = planted.image_home / "imagedb/content/sha256"
    (content / gone[7:]).rename(tmp_path / "gone")
    assert listed(live) == {top}
    assert live.glance_in() is None
