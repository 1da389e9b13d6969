"""Errors that pass: while they last the figures are absent or at most, soon after all is counted."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from clocks import Clocks, live_on
from layertar import RecordedRoot
from looking import image
from mirror import Mirror, mirror_of
from needs import missing, need_root
from transient import covered, few_descriptors, forbidden
from truth import becomes_true, scan, true_figures, untrue

from exporter.demo.planted import PlantedRoot
from exporter.looking.scan import LiveRoot

LIMIT = 1000


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def root(tmp_path: Path) -> RecordedRoot:
    """A root of one image, whose files have three names."""
    made = RecordedRoot(tmp_path / "docker")
    made.image(made.layer(made.layer((), fill), lambda t: (t / "own").touch()), "a:1")
    return made


def fill(tree: Path) -> None:
    folder = tree
    for name in ("deep", "er", "est"):
        folder /= name
        folder.mkdir()
        (folder / "file").touch()
        for i in range(20):
            os.link(folder / "file", folder / f"name{i}")


def add_an_image(root: PlantedRoot) -> tuple[str, ...]:
    diffs = root.layer((), fill)
    root.image(diffs, "late:1")
    return diffs


def check_while_it_lasts(live: LiveRoot, root: PlantedRoot, *, anew: bool = False) -> None:
    """See that nothing untrue is claimed while something cannot be read."""
    assert untrue(scan(live, anew=anew), true_figures(root, LIMIT)) == {}


@pytest.mark.parametrize("spare", range(1, 9))
def test_a_process_that_could_open_no_more_files_for_a_moment_counts_what_it_missed(
    root: RecordedRoot, clocks: Clocks, spare: int
) -> None:
    live = live_on(root, clocks, limit=LIMIT)
    scan(live)
    add_an_image(root)
    with few_descriptors(spare):
        check_while_it_lasts(live, root)
    becomes_true(live, clocks, root, LIMIT)
    with few_descriptors(spare):
        check_while_it_lasts(live, root, anew=True)
    becomes_true(live, clocks, root, LIMIT)


def test_a_folder_that_could_not_be_read_for_a_moment_is_counted_soon(
    root: RecordedRoot, clocks: Clocks
) -> None:
    live = live_on(root, clocks, limit=LIMIT)
    scan(live)
    diffs = add_an_image(root)
    with forbidden(root.tree(diffs) / "deep/er"):
        check_while_it_lasts(live, root)
    becomes_true(live, clocks, root, LIMIT)


def test_a_file_that_could_not_be_asked_for_a_moment_is_true_or_absent(
    root: RecordedRoot, clocks: Clocks, tmp_path: Path
) -> None:
    live = live_on(root, clocks, limit=LIMIT)
    scan(live)
    folder = root.tree(add_an_image(root)) / "deep/er"
    scan(live)
    os.link(folder / "file", tmp_path / "outside")
    with forbidden(folder):
        check_while_it_lasts(live, root)
    becomes_true(live, clocks, root, LIMIT)


@pytest.mark.root
def test_a_file_that_a_mount_hid_for_a_moment_is_counted_soon(
    root: RecordedRoot, clocks: Clocks
) -> None:
    need_root()
    live = live_on(root, clocks, limit=LIMIT)
    scan(live)
    diffs = add_an_image(root)
    with covered(root.tree(diffs) / "deep/er/name7"):
        check_while_it_lasts(live, root)
    becomes_true(live, clocks, root, LIMIT)


@pytest.mark.root
@pytest.mark.parametrize("hidden", ["deep/er/name7", "deep/er/file", "deep/er"])
def test_a_mount_over_a_part_of_a_counted_layer_makes_no_figure_wrong(
    root: RecordedRoot, clocks: Clocks, tmp_path: Path, hidden: str
) -> None:
    need_root()
    diffs = add_an_image(root)
    live = live_on(root, clocks, limit=LIMIT)
    scan(live)
    os.link(root.tree(diffs) / "deep/er/file", tmp_path / "outside")
    truth = true_figures(root, LIMIT)
    with covered(root.tree(diffs) / hidden):
        for seconds in (0, 1, 30):
            clocks.wait(seconds)
            assert untrue(scan(live), truth) == {}
    becomes_true(live, clocks, root, LIMIT)


# Errors of the disk, from a filesystem of our own.


@pytest.fixture
def mirror(root: RecordedRoot, tmp_path: Path) -> Iterator[Mirror]:
    need_root()
    if not os.path.exists("/dev/fuse"):
        missing("/dev/fuse")
    with mirror_of(root.path, tmp_path / "mirror") as mounted:
        yield mounted


ERRORS = [errno.EIO, errno.ESTALE, errno.ENOMEM]


@pytest.mark.root
@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.__getitem__)
def test_a_folder_that_the_disk_could_not_give_for_a_moment_is_counted_soon(
    root: RecordedRoot, mirror: Mirror, clocks: Clocks, number: int
) -> None:
    live = live_on(mirror, clocks, limit=LIMIT)
    scan(live)
    folder = str((root.tree(add_an_image(root)) / "deep/er").relative_to(root.path))
    mirror.fail(number, folder)
    report = scan(live)
    assert report.scan.coverage < 1
    assert image(report, "late:1")["layers_left"]["links"] is None
    mirror.obey()
    for seconds in (2, 4, 8, 16, 30):
        clocks.wait(seconds)
        report = scan(live)
        if report.scan.coverage == 1:
            break
    assert (report.scan.coverage, report.scan.complete, report.problems) == (1.0, True, ())
    assert image(report, "late:1")["layers_left"]["links"] == (LIMIT - 21) // 21


@pytest.mark.root
def test_an_error_that_stays_is_tried_again_more_and_more_seldom(
    root: RecordedRoot, mirror: Mirror, clocks: Clocks
) -> None:
    live = live_on(mirror, clocks, limit=LIMIT)
    folder = str((root.tree(add_an_image(root)) / "deep/er").relative_to(root.path))
    mirror.fail(errno.EIO, folder)
    tries = []
    for _ in range(6):
        before = mirror.opened(folder)
        for _ in range(60):
            clocks.wait(1)
            assert scan(live).scan.coverage < 1
        tries.append(mirror.opened(folder) - before)
    assert 3 <= tries[0] <= 12
    assert 2 <= sum(tries[2:]) <= 16
