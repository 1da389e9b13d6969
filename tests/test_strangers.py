"""Links that strangers make: outside they cost links, inside a complete layer they are names too."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from clocks import Clocks, live_on
from disks import mounted
from layertar import RecordedRoot
from looking import image, look_one
from needs import need_root
from removal import begin_removal
from retries import SlowCounts
from transient import forbidden
from truth import becomes_true, files_of, scan, true_figures, untrue

from exporter.demo.planted import PlantedRoot
from exporter.looking.scan import LiveRoot
from exporter.model import Resource, Root, RootReport
from exporter.thinking.backoff import RECOUNT_SHARE


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedRoot:
    return RecordedRoot(tmp_path / "docker")


def many_files(tree: Path) -> None:
    for i in range(900):  # no more than are asked for being tight
        (tree / f"f{i:04}").touch()


def two_layers(root: PlantedRoot) -> Path:
    """An image of two layers, of which the base's tree is given: it is told by its difference."""
    base = root.layer((), many_files)
    root.image(root.layer(base, lambda t: (t / "own").touch()), "top:1")
    return root.tree(base)


def link_one_over_others(tree: Path) -> None:
    """Do what `hardlink` or `jdupes -L` do."""
    for i in range(100, 300):
        (tree / f"f{i:04}").unlink()
        os.link(tree / "f0099", tree / f"f{i:04}")


def test_a_scan_finds_the_names_that_somebody_linked_into_a_layer_told_by_its_difference(
    recorded: RecordedRoot,
) -> None:
    tree = two_layers(recorded)
    os.link(tree / "f0005", tree / "zz")
    report = look_one(recorded.path)
    assert report.layers_left[Resource.LINKS] == (65_000 - 3) // 2
    assert untrue(report, true_figures(recorded)) == {}


def test_a_backup_of_hard_links_hides_no_names_that_somebody_linked(
    recorded: RecordedRoot, tmp_path: Path
) -> None:
    tree = two_layers(recorded)
    shutil.copytree(recorded.home, tmp_path / "backup", copy_function=os.link)
    link_one_over_others(tree)
    assert untrue(look_one(recorded.path), true_figures(recorded)) == {}


def test_links_that_somebody_makes_inside_a_complete_layer_are_seen_by_the_next_scan(
    recorded: RecordedRoot, clocks: Clocks
) -> None:
    tree = two_layers(recorded)
    live = live_on(recorded, clocks)
    scan(live)
    clocks.wait(30)
    scan(live)
    for again in range(3):
        os.link(tree / "f0005", tree / f"zz{again}")
        assert untrue(scan(live), true_figures(recorded)) == {}
        clocks.wait(3600)


def test_links_outside_cost_one_walk_and_further_ones_a_small_part_of_the_time(
    planted: PlantedRoot, clocks: Clocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = two_layers(planted)
    live = live_on(planted, clocks)
    counts = SlowCounts(monkeypatch, 1.0)
    scan(live)
    scan(live)
    assert counts.spent == 2
    begun = clocks.passed
    for i in range(200):
        os.link(tree / "f0005", tmp_path / str(i))
        clocks.wait(30)
        assert untrue(scan(live), true_figures(planted)) == {}
    assert 2 + 2 <= counts.spent <= 2 + 4 + RECOUNT_SHARE * (clocks.passed - begun)


def test_a_layer_that_is_being_made_or_removed_is_no_reason_to_walk_others(
    planted: PlantedRoot, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = planted.layer((), many_files)
    top = planted.layer(base, lambda t: (t / "own").touch())
    planted.image(base, "base:1")
    live = live_on(planted, clocks)
    scan(live)
    clocks.wait(30)
    scan(live)
    counts = SlowCounts(monkeypatch, 1.0)
    _, tree = begin_removal(planted, top)
    for file in files_of(tree)[::100]:
        file.unlink()
        clocks.wait(30)
        spent = counts.spent
        scan(live)
        assert counts.spent - spent <= 1  # that layer's own
    shutil.rmtree(tree.parent)
    becomes_true(live, clocks, planted)


@pytest.mark.root
def test_where_links_have_no_limit_the_most_of_them_are_seen_too(
    tmp_path: Path, clocks: Clocks
) -> None:
    need_root()
    place = tmp_path / "memory"
    place.mkdir()
    with mounted("-t", "tmpfs", "none", str(place)):
        root = PlantedRoot(place / "docker")
        tree = two_layers(root)
        live = LiveRoot(Root(str(root.path), root.path), now=clocks.now, monotonic=clocks.monotonic)
        scan(live)
        clocks.wait(30)
        scan(live)
        for i in range(500):
            os.link(tree / "f0005", place / str(i))
        assert scan(live).links_max == 502


def test_before_a_container_is_counted_the_most_links_are_not_known(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    planted.image(planted.layer((), lambda t: (t / "file").touch()), "a:1")
    upper = planted.home / planted.new_id() / "upper"
    upper.mkdir(parents=True)
    (upper.parent / "lower-id").write_text("x")
    (upper / "busy").touch()
    for i in range(500):
        os.link(upper / "busy", upper / str(i))
    published: list[RootReport] = []
    (report,) = live_on(planted, clocks).look(published.extend)
    assert [(r.scan.coverage, r.links_max) for r in published] == [(1.0, None)]
    assert report.links_max == 501


def test_what_is_in_doubt_makes_the_rest_no_tighter_than_it_is(
    planted: PlantedRoot, clocks: Clocks, tmp_path: Path
) -> None:
    base = planted.layer((), lambda t: (t / "f").touch())
    planted.image(base, "tight:1")
    planted.image(planted.layer((), many_files), "other:1")
    outside = [tmp_path / f"outside{i}" for i in range(95)]
    for path in outside:
        os.link(planted.tree(base) / "f", path)
    live = live_on(planted, clocks, limit=100)
    assert scan(live).layers_left[Resource.LINKS] == 4
    for path in outside:
        path.unlink()
    with forbidden(planted.tree(base)):
        clocks.wait(30)
        report = scan(live)
        assert report.scan.coverage == 0.5
        assert image(report, "tight:1")["layers_left"]["links"] is None
        assert (report.layers_left[Resource.LINKS], report.links_max) == (99, 1)
    becomes_true(live, clocks, planted, limit=100)


def test_where_all_is_in_doubt_nothing_is_said_to_be_left(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    base = planted.layer((), many_files)
    planted.image(base, "a:1")
    live = live_on(planted, clocks, limit=100)
    scan(live)
    with forbidden(planted.tree(base)):
        clocks.wait(30)
        report = scan(live)
    assert (report.layers_left[Resource.LINKS], report.links_max) == (None, None)
