"""What is kept between looks equals what a fresh look finds, whatever the engine and others do."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from stat import S_ISREG
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from layertar import RecordedRoot
from looking import as_json, ledger_of, look_one, names_of, walked_names
from removal import remove_image, remove_layer

from exporter.demo.planted import PlantedRoot
from exporter.looking import settle
from exporter.looking.scan import LiveRoot
from exporter.model import Reason, Reports, Root
from exporter.thinking.chains import chain_ids

LIMIT = 60
NAMES = [f"{folder}{name}" for folder in ("", "d/", "d/e/") for name in "abcxyz"]


def comparable(reports: Reports) -> dict[str, Any]:
    """Leave out what two looks cannot share: times, and the whole disk's free inodes."""
    (report,) = reports
    found = as_json(report)
    found.pop("scan")
    found["layers_left"].pop("inodes", None)
    for row in found["images"]:
        for key in ("layers_left", "chain_layers_left"):
            row[key].pop("inodes", None)
    return found


class LiveMachine(RuleBasedStateMachine):
    """Layers, images, containers and links from outside come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "outside").mkdir()
        self.root = RecordedRoot(self.folder / "docker")
        self.live = LiveRoot(
            Root(str(self.root.path), self.root.path, links_limits={str(self.root.path): LIMIT})
        )
        self.layers: list[tuple[str, ...]] = []
        self.images: dict[str, tuple[str, ...]] = {}
        self.containers: list[Path] = []
        self.half_made: list[Path] = []
        self.made = self.built = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(
        below=st.integers(0, 12),
        writes=st.lists(st.sampled_from(NAMES), max_size=4),
        links=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=4),
        removes=st.lists(st.sampled_from(NAMES), max_size=3),
        tag=st.none() | st.sampled_from(["a:1", "a:2", "b:1"]),
    )
    def build(
        self,
        below: int,
        writes: list[str],
        links: list[tuple[str, str]],
        removes: list[str],
        tag: str | None,
    ) -> None:
        def change(tree: Path) -> None:
            for name in removes:
                (tree / name).unlink(missing_ok=True)
            for name in writes:
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).unlink(missing_ok=True)
                (tree / name).write_text(name)
            for source, name in links:
                if (tree / source).exists() and source != name:
                    (tree / name).parent.mkdir(parents=True, exist_ok=True)
                    (tree / name).unlink(missing_ok=True)
                    os.link(tree / source, tree / name)

        self.made += 1
        parent = self.layers[below] if below < len(self.layers) else ()
        diffs = self.root.layer(parent, change)
        self.built += 1
        self.layers.append(diffs)
        self.images[self.root.image(diffs, *([tag] if tag else []))] = diffs

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 12))
    def remove(self, which: int) -> None:
        diffs = self.layers[which % len(self.layers)]
        if any(len(other) > len(diffs) and other[: len(diffs)] == diffs for other in self.layers):
            return
        for id in [i for i, on in self.images.items() if on == diffs]:
            remove_image(self.root, id)
            del self.images[id]
        remove_layer(self.root, diffs)
        self.layers.remove(diffs)

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 12), file=st.integers(0, 20), count=st.integers(1, 5))
    def link_from_outside(self, which: int, file: int, count: int) -> None:
        tree = self.root.tree(self.layers[which % len(self.layers)])
        files = [p for p in sorted(tree.rglob("*")) if S_ISREG(p.lstat().st_mode)]
        for i in range(count if files else 0):
            self.made += 1
            os.link(files[file % len(files)], self.folder / "outside" / f"{self.made}-{i}")

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 12))
    def stop_half_way_through_a_build(self, which: int) -> None:
        tree = self.root.tree(self.layers[which % len(self.layers)])
        making = self.root.home / self.root.new_id() / "tmproot1"
        making.mkdir(parents=True)
        files = [p for p in sorted(tree.rglob("*")) if S_ISREG(p.lstat().st_mode)]
        for i, file in enumerate(files[::2]):
            os.link(file, making / str(i))
        self.half_made.append(making.parent)

    @precondition(lambda self: self.half_made)
    @rule()
    def clean_up_after_a_stop(self) -> None:
        shutil.rmtree(self.half_made.pop())

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 12))
    def stop_half_way_through_a_removal(self, which: int) -> None:
        diffs = self.layers[which % len(self.layers)]
        if any(other[: len(diffs)] == diffs for other in self.layers if other != diffs):
            return
        for id in [i for i, on in self.images.items() if on == diffs]:
            remove_image(self.root, id)
            del self.images[id]
        tree = self.root.tree(diffs)
        record = self.root.image_home / "layerdb/sha256" / chain_ids(diffs)[-1][7:]
        record.rename(record.with_name(f"{record.name}-{'a' * 64}-removing"))
        for path in [p for p in sorted(tree.rglob("*")) if S_ISREG(p.lstat().st_mode)][::2]:
            path.unlink()
        self.layers.remove(diffs)

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 12))
    def lose_a_record(self, which: int) -> None:
        chain = chain_ids(self.layers[which % len(self.layers)])[-1]
        record = self.root.image_home / "layerdb/sha256" / chain[7:] / "tar-split.json.gz"
        record.unlink(missing_ok=True)

    @rule()
    def remove_links_outside(self) -> None:
        for path in list((self.folder / "outside").iterdir())[::2]:
            path.unlink()

    @rule(files=st.integers(0, 3))
    def run_container(self, files: int) -> None:
        container = self.root.home / self.root.new_id()
        (container / "upper").mkdir(parents=True)
        (container / "lower-id").write_text("x")
        for i in range(files):
            (container / "upper" / str(i)).write_text("x")
            os.link(container / "upper" / str(i), container / "upper" / f"n{i}")
        self.containers.append(container)

    @precondition(lambda self: self.containers)
    @rule()
    def remove_container(self) -> None:
        shutil.rmtree(self.containers.pop())

    @invariant()
    def what_is_kept_equals_a_fresh_look(self) -> None:
        kept = self.live.look(lambda _: None)
        fresh = look_one(self.root.path, LIMIT)
        assert comparable(kept) == comparable((fresh,))

    @rule()
    def count_anew(self) -> None:
        (report,) = self.live.look(lambda _: None, anew=True)
        assert [p for p in report.problems if p.reason is Reason.DRIFT] == []
        self.built += self.built  # each layer was walked once more

    @invariant()
    def no_layer_was_walked_twice(self) -> None:
        assert walked(self.live) <= self.built
        if self.live.drivers:
            assert max(ledger_of(self.live).walked.values(), default=0) <= 1

    @invariant()
    def what_was_told_by_differences_equals_a_walk(self) -> None:
        if self.live.drivers:
            assert names_of(self.live) == walked_names(self.root.path)


class EngineAlone(LiveMachine):
    """Nobody but the engine makes links, and no file is asked for being tight: its kin must tell."""

    link_from_outside = remove_links_outside = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.watched, settle.WATCHED = settle.WATCHED, 0

    def teardown(self) -> None:
        settle.WATCHED = self.watched
        super().teardown()


TestLive = LiveMachine.TestCase
TestLive.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
TestEngineAlone = EngineAlone.TestCase
TestEngineAlone.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)


def walked(root: LiveRoot) -> int:
    driver = root.drivers.get("overlay")
    return driver.live.ledger.walked.total() if driver and driver.live else 0


def test_a_second_look_walks_nothing_and_a_new_layer_costs_one_walk(planted: PlantedRoot) -> None:
    base = planted.layer((), lambda t: [(t / f"f{i}").write_text("x") for i in range(50)])
    chain = planted.layer(base, lambda t: (t / "g").touch())
    planted.image(chain, "a:1")
    root = LiveRoot(Root(str(planted.path), planted.path))
    root.look(lambda _: None)
    assert walked(root) == 2
    root.look(lambda _: None)
    assert walked(root) == 2
    planted.image(planted.layer(chain, lambda t: (t / "h").touch()), "a:2")
    (report,) = root.look(lambda _: None)
    assert walked(root) == 3
    assert report.links_max == 3


def test_the_first_answer_has_the_tagged_images_exactly_before_the_rest_is_counted(
    planted: PlantedRoot,
) -> None:
    base = planted.layer((), lambda t: (t / "file").touch())
    planted.image(planted.layer(base, lambda t: (t / "f").touch()), "a:1")
    published: list[Reports] = []
    root = LiveRoot(Root(str(planted.path), planted.path))
    (last,) = root.look(published.append)
    ((first,),) = published
    row, whole = as_json(first)["images"][0], as_json(last)["images"][0]
    assert (row["layers_left"]["links"], row["tightest"]) == (65_000 - 2, whole["tightest"])
    assert row["chain_layers_left"] is None
    assert (first.scan.coverage, first.scan.complete, first.scan.full) == (0.5, False, None)
    assert first.inodes_over is None
    assert (first.up, first.links_max, first.problems) == (True, 2, ())
    assert (last.scan.coverage, last.scan.complete) == (1.0, True)


def test_a_root_made_anew_in_the_same_place_is_counted_anew(planted: PlantedRoot) -> None:
    planted.layer((), lambda t: (t / "file").touch())
    root = LiveRoot(Root(str(planted.path), planted.path))
    root.look(lambda _: None)
    subprocess.run(["rm", "-rf", str(planted.path)], check=True)
    (gone,) = root.look(lambda _: None)
    again = PlantedRoot(planted.path)
    again.layer((), lambda t: [(t / "a").touch(), os.link(t / "a", t / "b")])  # type: ignore[func-returns-value]
    (back,) = root.look(lambda _: None)
    assert (gone.up, back.up, back.links_max) == (False, True, 2)


def test_what_happens_during_a_long_look_is_published_before_its_end(planted: PlantedRoot) -> None:
    base = planted.layer((), lambda t: (t / "file").touch())
    for i in range(5):
        below = planted.layer(base, lambda t: (t / "f").touch())
        planted.image(planted.layer(below, lambda t: (t / "g").touch()), f"a:{i}")
    happened = [False, True]

    def woken() -> bool:
        if not happened or not happened.pop(0):
            return False
        planted.image(planted.layer(base, lambda t: (t / "new").touch()), "new:1")
        return True

    published: list[Reports] = []
    root = LiveRoot(Root(str(planted.path), planted.path), woken=woken)
    (last,) = root.look(published.append)
    names = [[i.name for (report,) in [p] for i in report.images] for p in published]
    assert ["new:1" in told for told in names] == [False, True, True]
    assert published[-1][0].scan.coverage < 1
    assert comparable((last,)) == comparable((look_one(planted.path),))
    assert walked(root) == 1 + 5 + 5 + 1


def test_counting_anew_finds_what_nobody_told_and_says_where(planted: PlantedRoot) -> None:
    base = planted.layer((), lambda t: (t / "f").touch())
    planted.image(base, "a:1")
    root = LiveRoot(Root(str(planted.path), planted.path))
    root.look(lambda _: None)
    (planted.tree(base) / "hidden").touch()  # no engine changes a complete layer
    (same,) = root.look(lambda _: None)
    assert same.problems == ()
    (anew,) = root.look(lambda _: None, anew=True)
    assert [(p.where, p.reason) for p in anew.problems] == [
        (str(planted.tree(base).parent), Reason.DRIFT)
    ]
    assert comparable((anew,)) | {"problems": []} == comparable((look_one(planted.path),))
    (healed,) = root.look(lambda _: None, anew=True)
    assert healed.problems == ()
