"""What is kept stays true, whatever comes, goes or grows between two scans; cases that were not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from clocks import EXT4, HOUR, YEAR, Clocks, Moments, live_on
from layertar import RecordedRoot
from looking import as_json, image
from removal import begin_removal, remove_image, remove_layer
from truth import SLOW, becomes_true, files_of, scan, true_figures, unlike, untrue

from exporter.demo.planted import PlantedRoot
from exporter.model import Reason, Resource, RootReport

Act = Callable[[], object]


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedRoot:
    return RecordedRoot(tmp_path / "docker")


def files(count: int, content: str = "x") -> Callable[[Path], object]:
    return lambda tree: [(tree / f"f{i:02}").write_text(content) for i in range(count)]


def nothing(_: Path) -> None:
    """Change nothing."""


def rename(old: str, new: str) -> Callable[[Path], object]:
    """Do what an archive does that links a new name to a lower file, and removes the old one."""
    return lambda tree: (tree / old).rename(tree / new)


def stranger(file: Path, folder: Path, count: int) -> None:
    """Link a file from elsewhere."""
    folder.mkdir(exist_ok=True)
    begun = len(os.listdir(folder))
    for i in range(begun, begun + count):
        os.link(file, folder / str(i))


def drift(report: RootReport) -> list[str]:
    return [p.where for p in report.problems if p.reason is Reason.DRIFT]


# Files whose known name goes with its layer.


def test_a_file_is_asked_by_its_old_name_when_the_layer_with_its_new_one_is_gone(
    recorded: RecordedRoot, tmp_path: Path
) -> None:
    base = recorded.layer((), files(20))
    top = recorded.layer(base, rename("f05", "a05"))
    tagged = recorded.image(top, "top:1")
    live = live_on(recorded)
    scan(live)
    recorded.image(base, "base:1")
    remove_image(recorded, tagged)
    remove_layer(recorded, top)
    scan(live)
    stranger(recorded.tree(base) / "f05", tmp_path / "outside", 64_000)
    assert scan(live).layers_left[Resource.LINKS] == 999
    chain = base
    for _ in range(5):
        chain = recorded.layer(chain, nothing)
    report = scan(live)
    assert report.layers_left[Resource.LINKS] == 994
    assert image(report, "base:1")["tightest"]["path"] == "/f05"


def test_a_file_that_moves_in_each_layer_is_asked_whichever_of_them_is_left(
    recorded: RecordedRoot, tmp_path: Path, clocks: Clocks
) -> None:
    chain: tuple[str, ...] = recorded.layer((), files(20))
    names = ["f05", "e05", "d05", "c05", "b05"]
    for old, new in pairwise(names):
        chain = recorded.layer(chain, rename(old, new))
    ids = {recorded.image(chain, "top:1"): chain}
    live = live_on(recorded, clocks)
    scan(live)
    for count in range(5, 0, -1):
        layer = chain[:count]
        stranger(recorded.tree(layer) / names[count - 1], tmp_path / "outside", 100)
        assert unlike(scan(live), clocks, recorded) == {}
        if count > 1:
            ids[recorded.image(chain[: count - 1], "top:1")] = chain[: count - 1]
            remove_image(recorded, next(i for i, diffs in ids.items() if diffs == layer))
            remove_layer(recorded, layer)


def test_a_name_that_leads_to_another_file_proves_that_its_layer_changed(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    base = planted.layer((), files(5))
    planted.image(planted.layer(base, nothing), "a:1")
    live = live_on(planted, clocks)
    scan(live)
    tree = planted.tree(base)
    for i in range(100):
        os.link(tree / "f01", tree / f"g{i}")
    (tree / "f02").unlink()
    (tree / "f02").write_text("another")
    becomes_true(live, clocks, planted)


# Equal files made one.


def test_equal_files_that_are_linked_to_one_are_counted_at_once(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    trees = []
    for tag in ("a:1", "b:1"):
        base = planted.layer((), files(300))
        top = planted.layer(base, nothing)
        planted.image(top, tag)
        trees += [planted.tree(base), planted.tree(top)]
    live = live_on(planted, clocks)
    assert scan(live).layers_left[Resource.LINKS] == EXT4 - 2
    link_all_to_one(trees)
    reports = [scan(live) for _ in range(2)]
    truth = true_figures(planted)
    assert [untrue(report, truth) for report in reports] == [{}, {}]
    assert reports[-1].layers_left[Resource.LINKS] == 212
    becomes_true(live, clocks, planted)


def link_all_to_one(trees: list[Path]) -> None:
    """Do what `hardlink`, `rdfind` or `jdupes -L` do with files that are all equal."""
    first, *others = [file for tree in trees for file in files_of(tree)]
    for file in others:
        file.unlink()
        os.link(first, file)


# Folders that are no image layer's.


def test_an_orphan_is_counted_again_when_the_layers_that_shared_its_files_are_gone(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    chain: tuple[str, ...] = planted.layer((), files(21))
    for _ in range(30):
        chain = planted.layer(chain, nothing)
    tagged = planted.image(chain, "a:1")
    shutil.copytree(planted.tree(chain), planted.home / ("f" * 64) / "root", copy_function=os.link)
    live = live_on(planted, clocks)
    clocks.wait(2 * HOUR)
    assert scan(live).links_max == 32
    remove_image(planted, tagged)
    for count in range(len(chain), 0, -1):
        remove_layer(planted, chain[:count])
    report = becomes_true(live, clocks, planted, slow=SLOW)
    assert (report.links_max, (report.inodes_over or {})[10]) == (1, 0)


def test_an_orphan_that_is_thinned_out_by_hand_is_counted_again(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    planted.image(planted.layer((), nothing), "a:1")
    orphan = planted.home / ("f" * 64) / "root"
    orphan.mkdir(parents=True)
    (orphan / "f").touch()
    for i in range(99):
        os.link(orphan / "f", orphan / str(i))
    live = live_on(planted, clocks)
    clocks.wait(2 * HOUR)
    assert scan(live).links_max == 100
    for i in range(99):
        (orphan / str(i)).unlink()
    assert becomes_true(live, clocks, planted, slow=SLOW).links_max == 1


def many_names(folder: Path, name: str, count: int) -> None:
    (folder / name).touch()
    for i in range(count - 1):
        os.link(folder / name, folder / f"{name}-{i}")


def buildkit_folder(root: PlantedRoot) -> Path:
    folder = root.home / "x7mk2abc1defg3hijk4lmno5p"
    (folder / "upper").mkdir(parents=True)
    (folder / "work").mkdir()
    (folder / "lower-id").write_text("x")
    return folder / "upper"


def test_a_buildkit_folder_that_fills_later_is_counted_again(
    planted: PlantedRoot, clocks: Clocks
) -> None:
    planted.image(planted.layer((), files(3)), "a:1")
    upper = buildkit_folder(planted)
    live = live_on(planted, clocks)
    assert scan(live).links_max == 1
    many_names(upper, "f", 501)
    assert becomes_true(live, clocks, planted, slow=SLOW).links_max == 501


def container(root: PlantedRoot, name: str = "c1") -> Path:
    """Run a container: its folder, and the engine's record of it."""
    folder = root.home / root.new_id()
    (folder / "upper").mkdir(parents=True)
    (folder / "lower-id").write_text("x")
    record = root.image_home / "layerdb/mounts" / name
    record.mkdir()
    (record / "mount-id").write_text(folder.name)
    return folder / "upper"


@pytest.mark.parametrize("entries", [0, 10_500])
def test_a_containers_new_links_are_seen_whatever_its_size(
    planted: PlantedRoot, clocks: Clocks, entries: int
) -> None:
    planted.image(planted.layer((), files(3)), "a:1")
    upper = container(planted)
    if entries:
        (upper / "deep/er").mkdir(parents=True)
        many_names(upper / "deep/er", "n", entries)
    live = live_on(planted, clocks)
    scan(live)
    many_names(upper, "f", 20_501)
    assert becomes_true(live, clocks, planted, slow=SLOW).links_max == 20_501
    for file in files_of(upper)[1:]:
        file.unlink()
    assert becomes_true(live, clocks, planted, slow=SLOW).links_max == 1


# Clocks.


@pytest.mark.parametrize("by", [-YEAR, -HOUR, YEAR])
def test_intervals_do_not_care_for_the_wall_clock(
    planted: PlantedRoot, clocks: Clocks, by: float
) -> None:
    planted.image(planted.layer((), files(3)), "a:1")
    upper = container(planted)
    (upper / "f").touch()
    live = live_on(planted, clocks)
    scan(live)
    clocks.step(by)
    scan(live)
    for i in range(500):
        os.link(upper / "f", upper / str(i))
    clocks.wait(31)
    assert scan(live).links_max == 501
    (upper / "499").unlink()
    clocks.wait(31)
    assert scan(live).links_max == 500


# A reconcile, and what happens meanwhile.


class Stage:
    """A root of three images of which one is going, and all that an engine may do to it."""

    def __init__(self, folder: Path) -> None:
        self.root = PlantedRoot(folder / "docker")
        self.outside = folder / "outside"
        self.base = self.root.layer((), files(6))
        self.middle = self.root.layer(self.base, lambda t: (t / "own").touch())
        self.root.image(self.base, "base:1")
        self.root.image(self.middle, "middle:1")
        self.top = self.root.layer(self.middle, nothing)
        self.tagged = self.root.image(self.top)
        self.clocks = Clocks()
        self.moments = Moments(self.clocks)
        self.live = live_on(self.root, moments=self.moments)

    def begin_a_layer(self) -> None:
        made = self.root.home / self.root.new_id() / "tmproot1"
        made.mkdir(parents=True)
        for file in files_of(self.root.tree(self.middle))[:4]:
            os.link(file, made / file.name)

    def build_a_layer(self) -> None:
        self.root.image(self.root.layer(self.middle, nothing), "new:1")

    def begin_a_removal(self) -> None:
        remove_image(self.root, self.tagged)
        _, tree = begin_removal(self.root, self.top)
        for file in files_of(tree)[:4]:
            file.unlink()

    def remove_a_layer(self) -> None:
        remove_image(self.root, self.tagged)
        remove_layer(self.root, self.top)

    def link_from_outside(self) -> None:
        stranger(self.root.tree(self.base) / "f03", self.outside, 50)


ACTS = [
    Stage.begin_a_layer,
    Stage.build_a_layer,
    Stage.begin_a_removal,
    Stage.remove_a_layer,
    Stage.link_from_outside,
]


def moments_of(folder: Path, *, anew: bool) -> int:
    """Count the moments of one scan."""
    stage = Stage(folder)
    stage.live.look(stage.moments.published)
    if anew:
        stage.moments.disarm()
        stage.live.look(stage.moments.published, anew=True)
    return stage.moments.count


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_a_reconcile_calls_nothing_drift_that_the_engine_did_meanwhile(
    tmp_path: Path, act: Callable[[Stage], None]
) -> None:
    for moment in range(1, 1 + moments_of(tmp_path / "count", anew=True)):
        stage = Stage(tmp_path / str(moment))
        stage.live.look(stage.moments.published)
        stage.moments.arm(moment, lambda: act(stage))  # noqa: B023  (it is called in this round)
        (report,) = stage.live.look(stage.moments.published, anew=True)
        stage.moments.disarm()
        assert drift(report) == [], f"at moment {moment}"
        after = becomes_true(stage.live, stage.clocks, stage.root)
        assert drift(after) == [], f"at moment {moment}"


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_what_happens_at_any_moment_of_a_scan_is_told_by_the_next_one(
    tmp_path: Path, act: Callable[[Stage], None]
) -> None:
    for moment in range(1, 1 + moments_of(tmp_path / "count", anew=False)):
        stage = Stage(tmp_path / str(moment))
        stage.moments.arm(moment, lambda: act(stage))  # noqa: B023  (it is called in this round)
        stage.live.look(stage.moments.published)
        stage.moments.disarm()
        report = scan(stage.live)
        assert untrue(report, true_figures(stage.root)) == {}, f"at moment {moment}"
        assert report.scan.coverage == 1.0, f"at moment {moment}"


def test_what_really_drifted_is_told_and_put_right_even_if_the_engine_builds_meanwhile(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path)
    stage.live.look(stage.moments.published)
    tree = stage.root.tree(stage.base)
    (tree / "hidden").touch()  # nobody asks for a file that nobody knows
    for i in range(10):
        os.link(tree / "hidden", tree / f"hidden{i}")
    stage.moments.arm(4, stage.begin_a_layer)
    stage.live.look(stage.moments.published, anew=True)
    stage.moments.disarm()
    report = scan(stage.live)
    assert as_json(report)["links_max"] == true_figures(stage.root)["links_max"] == 11
    told = set(drift(report))
    assert told <= {str(tree.parent)}
