"""No file has more names in the layers than links on the disk; where it seems so, layers are counted again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clocks import EXT4, Clocks, Moments, live_on
from disks import disk
from layertar import RecordedRoot, layer_tar, split_of
from looking import image
from mirror import Mirror, mirror_of
from needs import missing, need_program, need_root
from removal import begin_removal, remove_image, remove_layer
from retries import SlowCounts, waits_of
from transient import forbidden
from truth import SLOW, WAITS, becomes_true, files_of, scan, true_figures, untrue

from exporter.demo.planted import PlantedRoot
from exporter.looking import settle
from exporter.looking.scan import LiveRoot
from exporter.model import RootReport
from exporter.thinking.backoff import RETRY_SHARE


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def fill(tree: Path) -> None:
    """Give one file 300 names, half of them in a folder of their own, and some more files."""
    (tree / "d").mkdir()
    (tree / "busy").touch()
    for i in range(299):
        os.link(tree / "busy", tree / ("d" if i % 2 else ".") / f"n{i:03}")
    for i in range(300):
        (tree / f"f{i:03}").touch()


def two_images(root: PlantedRoot) -> tuple[tuple[str, ...], tuple[str, ...]]:
    base = root.layer((), fill)
    top = root.layer(base, lambda t: (t / "own").touch())
    root.image(base, "base:1")
    root.image(top, "top:1")
    return base, top


def remove_most_names(tree: Path) -> None:
    shutil.rmtree(tree / "d")


class Forgetful(RecordedRoot):
    """A root whose records do not tell of what a layer removed."""

    def split(self, parent: Path | None, tree: Path) -> bytes | None:
        there = [] if parent is None else [str(p.relative_to(tree)) for p in tree.glob("own*")]
        if parent is None:
            return super().split(parent, tree)
        return split_of(layer_tar(tree, there))


def test_a_layer_whose_record_misses_what_it_removed_is_walked_in_the_end(
    tmp_path: Path, clocks: Clocks
) -> None:
    def remove_and_add(tree: Path) -> None:
        remove_most_names(tree)
        (tree / "own").touch()

    root = Forgetful(tmp_path / "docker")
    base = root.layer((), fill)
    root.image(base, "base:1")
    live = live_on(root, clocks)
    scan(live)
    root.image(root.layer(base, remove_and_add), "top:1")
    report = ends(live, clocks)
    assert image(report, "top:1")["tightest"]["names"] == 151
    assert untrue(report, true_figures(root)) == {}


def test_names_that_went_from_a_layer_behind_its_back_are_missed(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    _, top = two_images(planted)
    live = live_on(planted, clocks)
    scan(live)
    remove_most_names(planted.tree(top))
    report = ends(live, clocks)
    assert image(report, "top:1")["tightest"]["names"] == 151
    assert untrue(report, true_figures(planted)) == {}


def test_names_that_were_moved_from_one_layer_to_another_are_counted_where_they_are(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    base, top = two_images(planted)
    live = live_on(planted, clocks)
    scan(live)
    for file in files_of(planted.tree(top) / "d"):
        file.unlink()  # a name of the same file has its place in the other layer
    (planted.tree(base) / "d").rename(planted.tree(top) / "d2")
    report = ends(live, clocks)
    assert untrue(report, true_figures(planted)) == {}


def test_a_half_made_layer_that_stays_keeps_no_other_from_being_counted_again(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    base, top = two_images(planted)
    made = planted.home / planted.new_id() / "tmproot1"
    made.mkdir(parents=True)
    os.link(planted.tree(base) / "f001", made / "f001")
    live = live_on(planted, clocks)
    scan(live)
    remove_most_names(planted.tree(top))
    report = ends(live, clocks)
    assert untrue(report, true_figures(planted)) == {}


def test_links_that_hide_that_names_are_missed_do_not_end_the_doubt(
    planted: PlantedRoot, clocks: Clocks, tmp_path: Path
) -> None:
    base, top = two_images(planted)
    live = live_on(planted, clocks)
    scan(live)
    remove_most_names(planted.tree(top))
    scan(live)
    for i in range(200):
        os.link(planted.tree(base) / "busy", tmp_path / str(i))
    becomes_true(live, clocks, planted)


def ends(live: LiveRoot, clocks: Clocks) -> RootReport:
    """Let a minute pass, and give what is told then."""
    report = scan(live)
    for seconds in WAITS:
        clocks.wait(seconds)
        report = scan(live)
    assert (report.scan.coverage, report.scan.complete, report.problems) == (1.0, True, ())
    return report


def test_a_removal_that_is_seen_at_each_of_its_steps_takes_no_layers_coverage(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    _, top = two_images(planted)
    more = planted.layer(top, lambda t: (t / "own2").touch())
    live = live_on(planted, clocks)
    scan(live)
    going, tree = begin_removal(planted, more)
    for file in files_of(tree)[::100]:
        file.unlink()
        clocks.wait(0.2)
        report = scan(live)
        assert (report.scan.coverage, report.problems) == (1.0, ())
        assert untrue(report, true_figures(planted)) == {}
    shutil.rmtree(tree.parent)
    scan(live)
    shutil.rmtree(going)
    becomes_true(live, clocks, planted)


@pytest.mark.parametrize("still", [False, True])
def test_a_removal_that_begins_at_any_moment_of_a_scan_takes_no_layers_coverage(
    tmp_path: Path, still: bool
) -> None:
    """`still`: whether the scan would have nothing to do."""
    moment, met = 0, 1
    while moment < met:
        moment += 1
        root, moments = PlantedRoot(tmp_path / str(moment)), Moments(Clocks())
        _, top = two_images(root)
        more = root.layer(top, lambda t: (t / "own2").touch())
        live = live_on(root, moments=moments)
        scan(live)
        if still:
            moments.clocks.wait(5)
            scan(live)
        moments.arm(moment, lambda: half_remove(root, more))  # noqa: B023  (it is called in this round)
        report = scan(live)
        met = moments.count
        assert (report.scan.coverage, report.problems) == (1.0, ()), f"at moment {moment}"
        moments.disarm()
        for seconds in (0, 0.2, 2):
            moments.clocks.wait(seconds)
            report = scan(live)
            assert (report.scan.coverage, report.problems) == (1.0, ()), f"at moment {moment}"
            assert untrue(report, true_figures(root)) == {}
    assert met >= 5


def half_remove(root: PlantedRoot, diffs: tuple[str, ...]) -> None:
    """Begin a removal, and take away half of the names."""
    _, tree = begin_removal(root, diffs)
    for file in files_of(tree)[::2]:
        file.unlink()


def test_layers_that_come_and_go_between_scans_take_no_layers_coverage(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    _, top = two_images(planted)
    live = live_on(planted, clocks)
    scan(live)
    for i in range(4):
        more = planted.layer(top, lambda t: (t / f"own{i}").touch())  # noqa: B023  (called at once)
        if i % 2:
            scan(live)
        remove_layer(planted, more)
        report = scan(live)
        assert (report.scan.coverage, report.problems) == (1.0, ())


def test_links_from_outside_are_no_reason_to_count_again(
    planted: PlantedRoot, clocks: Clocks, tmp_path: Path
) -> None:
    base, _ = two_images(planted)
    live = live_on(planted, clocks)
    scan(live)
    for i in range(50):
        os.link(planted.tree(base) / "busy", tmp_path / str(i))
    assert image(ends(live, clocks), "base:1")["tightest"]["links"] == 650


# Where the count of links is not the kernel's own, or is broken.


@pytest.fixture
def mirror(planted: PlantedRoot, tmp_path: Path) -> Iterator[Mirror]:
    need_root()
    if not os.path.exists("/dev/fuse"):
        missing("/dev/fuse")
    two_images(planted)
    with mirror_of(planted.path, tmp_path / "mirror") as mounted:
        yield mounted


@pytest.mark.root
@pytest.mark.parametrize("links", [1, 2])
def test_a_filesystem_that_knows_no_links_is_not_judged_by_them(
    mirror: Mirror, clocks: Clocks, links: int
) -> None:
    mirror.lie(links)
    live = live_on(mirror, clocks)
    assert scan(live).links_max == links
    walks = mirror.opened("/root/d")
    ends(live, clocks)
    assert mirror.opened("/root/d") == walks


def break_links(folder: Path, file: Path, links: int) -> None:
    """Write another link count into an unmounted ext4's inode of a file."""
    point, number = folder / "disk", file.lstat().st_ino
    subprocess.run(["umount", str(point)], check=True)
    command = f"set_inode_field <{number}> links_count {links}"
    disk_image = str(folder / "disk.img")
    subprocess.run(["debugfs", "-w", "-R", command, disk_image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", disk_image, str(point)], check=True)


@pytest.mark.root
def test_a_disk_that_has_fewer_links_than_names_leaves_their_layers_uncovered(
    tmp_path: Path, clocks: Clocks
) -> None:
    need_root()
    need_program("mkfs.ext4", "debugfs")
    with disk(tmp_path, "64M", ["mkfs.ext4", "-q"]) as point:
        root = PlantedRoot(point)
        base, _ = two_images(root)
        fine = root.layer((), lambda t: (t / "fine").touch())
        root.image(fine, "fine:1")
        break_links(tmp_path, root.tree(base) / "busy", 5)
        live = live_on(root, clocks)
        for seconds in WAITS:
            clocks.wait(seconds)
            report = scan(live)
        assert report.scan.coverage == pytest.approx(1 / 3)
        assert image(report, "fine:1")["layers_left"]["links"] == EXT4 - 1
        assert image(report, "base:1")["layers_left"]["links"] is None
        assert image(report, "top:1")["layers_left"]["links"] is None
        assert report.problems
        coverages = []
        for _ in range(20):
            clocks.wait(30)
            coverages.append(scan(live).scan.coverage)
        assert set(coverages) == {report.scan.coverage}


@pytest.mark.root
def test_layers_of_such_a_disk_take_a_bounded_share_of_the_time_together(
    tmp_path: Path, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_root()
    need_program("mkfs.ext4", "debugfs")
    with disk(tmp_path, "64M", ["mkfs.ext4", "-q"]) as point:
        root = PlantedRoot(point)
        base, chain = two_images(root)
        for _ in range(8):
            chain = root.layer(chain, lambda t: (t / "own").touch())
        break_links(tmp_path, root.tree(base) / "busy", 5)
        live = live_on(root, clocks)
        counts = SlowCounts(monkeypatch, 5.0)
        scan(live)
        once = counts.spent
        waits_of(live, clocks, 100)
        assert once == 10 * 5.0
        assert 10 * once < counts.spent <= 3 * once + RETRY_SHARE * clocks.passed


# What a few members of a group of files cannot tell of the others.


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is asked for being tight: a few members of each group tell the others' links."""
    monkeypatch.setattr(settle, "WATCHED", 0)


def many_files(tree: Path) -> None:
    for i in range(600):
        (tree / f"f{i:03}").touch()


@pytest.mark.usefixtures("sampled")
def test_files_that_a_half_gone_layer_had_renamed_are_asked_by_their_other_names(
    tmp_path: Path, clocks: Clocks
) -> None:
    root = RecordedRoot(tmp_path / "docker")
    base = root.layer((), many_files)
    middle = root.layer(base, lambda t: (t / "own").touch())
    top = root.layer(middle, lambda t: (t / "f000").rename(t / "a000"))
    tagged = root.image(top, "top:1")
    live = live_on(root, clocks)
    scan(live)
    root.image(middle, "middle:1")
    remove_image(root, tagged)
    _, tree = begin_removal(root, top)
    for file in files_of(tree)[::2]:
        file.unlink()
    becomes_true(live, clocks, root, slow=SLOW)


@pytest.mark.usefixtures("sampled")
def test_a_layer_that_is_seen_at_last_tells_whose_links_it_left_as_they_were(
    tmp_path: Path, clocks: Clocks
) -> None:
    root = RecordedRoot(tmp_path / "docker")
    base = root.layer((), many_files)
    root.image(base, "base:1")
    live = live_on(root, clocks)
    scan(live)
    top = root.layer(base, lambda t: (t / "f300").unlink())
    root.image(top, "top:1")
    with forbidden(root.tree(top)):
        scan(live)
    becomes_true(live, clocks, root)
    reports = live.look(lambda _: None, anew=True)
    assert reports[0].problems == ()
