"""A state machine of all that an engine, strangers, clocks and errors do; what is told stays true.

After each act every scan tells the truth, or that it is not the whole truth; and within a
minute of the monotonic clock the whole truth. By default it plays a few dozen games. For a
long run say for how many seconds:

    MACHINE_SECONDS=3600 pytest -n0 --timeout=0 -s tests/test_machine.py
"""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import ClassVar

from acts import NAMES, EngineAndStrangers, Names, SampledAlone, Tags
from clocks import HOUR, YEAR, Clocks, Moments, live_on
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from layertar import archive_of
from removal import remove_layer
from transient import few_descriptors, forbidden
from truth import SLOW, becomes_true, files_of, true_figures, untrue

from exporter.model import Reason

SECONDS = float(os.environ.get("MACHINE_SECONDS", "0"))
STEPS = 20
BUILDKIT_ID = "x{:024}"

Which = st.integers(0, 12)


def many_files(tree: Path) -> None:
    """Make so many files that a small difference is worth looking up."""
    for name in (*NAMES, *(f"f{i:02}" for i in range(40))):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name[-1])


def rename_all(moves: list[tuple[str, str]], tree: Path) -> None:
    for old, new in moves:
        if (tree / old).exists():
            (tree / new).parent.mkdir(parents=True, exist_ok=True)
            (tree / old).rename(tree / new)


class TruthMachine(EngineAndStrangers):
    """The engine and strangers, and whatever else may happen around a root."""

    strangers: ClassVar[bool] = True
    games: ClassVar[int] = 0
    acts: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.clocks = Clocks()
        self.moments = Moments(self.clocks)
        self.live = live_on(self.root, moments=self.moments)
        self.orphans: list[Path] = []
        self.cached: list[Path] = []
        self.late: tuple[str, ...] = ()
        type(self).games += 1

    # Archives that an engine loads.

    @rule(
        below=st.none() | Which,
        steps=st.lists(
            st.lists(st.tuples(Names, Names), min_size=1, max_size=3), min_size=1, max_size=3
        ),
        tag=Tags,
    )
    def load_an_archive_that_renames(
        self, below: int | None, steps: list[list[tuple[str, str]]], tag: str | None
    ) -> None:
        """Load layers that link new names to lower files and remove the old ones; only the top is an image."""
        diffs = self.below(below) if below is not None else ()
        if not diffs:
            diffs = self.root.layer((), many_files)
            self.layers.append(diffs)
        for moves in steps:
            diffs = self.root.layer(diffs, partial(rename_all, moves))
            self.layers.append(diffs)
        self.images[self.root.image(diffs, *([tag] if tag else []))] = diffs

    @rule(below=Which, writes=st.lists(Names, max_size=2), tag=Tags)
    def load_an_archive_that_makes_a_folder_anew(
        self, below: int, writes: list[str], tag: str | None
    ) -> None:
        writes = [name for name in writes if name.startswith("d/")]

        def change(tree: Path) -> None:
            shutil.rmtree(tree / "d", ignore_errors=True)
            (tree / "d").mkdir()
            for name in writes:
                (tree / name).parent.mkdir(exist_ok=True)
                (tree / name).write_text(name[-1])

        self.root.archive = archive_of(".wh.d", "d/", *sorted(set(writes)))
        self.came(self.root.layer(self.below(below), change), tag)

    @rule(below=Which, names=st.lists(Names, max_size=3), tag=Tags)
    def scan_half_way_through_a_build(self, below: int, names: list[str], tag: str | None) -> None:
        def change(tree: Path) -> None:
            self.live.look(lambda _: None)
            for name in names:
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).unlink(missing_ok=True)
                (tree / name).write_text(name[-1])
            self.live.look(lambda _: None)

        self.came(self.root.layer(self.below(below), change), tag)

    @precondition(lambda self: self.layers)
    @rule(which=Which, tag=Tags)
    def write_the_parent_of_an_image_late(self, which: int, tag: str | None) -> None:
        diffs = self.one_of_the_layers(which)
        between, top = (self.root.image(diffs, *tags) for tags in ([], [tag] if tag else []))
        self.images |= {between: diffs, top: diffs}
        self.live.look(lambda _: None)
        self.clocks.wait(3)
        self.live.look(lambda _: None)
        metadata = self.root.image_home / "imagedb/metadata/sha256" / top[7:]
        metadata.mkdir()
        (metadata / "parent").write_text(between)
        self.late = ("images",)

    # Strangers.

    @rule(which=Which, written=st.booleans())
    def link_equal_files_to_one(self, which: int, written: bool) -> None:
        equal: dict[str, list[Path]] = defaultdict(list)
        for tree in ("root", "upper") if written else ("root",):
            for file in (f for top in self.root.home.glob(f"*/{tree}") for f in files_of(top)):
                equal[file.read_text()].append(file)
        if equal:
            first, *others = list(equal.values())[which % len(equal)]
            for file in others:
                file.unlink()
                os.link(first, file)

    @precondition(lambda self: self.layers)
    @rule(which=Which, file=st.integers(0, 20), count=st.integers(1, 5))
    def link_inside_a_layer(self, which: int, file: int, count: int) -> None:
        """Add names to a file of a complete layer, in peace; a walk for the last ones is a while ago."""
        self.clocks.wait(HOUR)
        self.live.look(lambda _: None)
        tree = self.root.tree(self.one_of_the_layers(which))
        files = files_of(tree)
        for _ in range(count if files else 0):
            self.made += 1
            os.link(files[file % len(files)], tree / f"stranger{self.made}")

    # Folders that are no image layer's.

    @precondition(lambda self: self.layers)
    @rule(which=Which)
    def leave_a_copy(self, which: int) -> None:
        folder = self.root.home / self.root.new_id()
        tree = self.root.tree(self.one_of_the_layers(which))
        shutil.copytree(tree, folder / "root", copy_function=os.link)
        self.orphans.append(folder)

    @precondition(lambda self: self.orphans)
    @rule(all_of_it=st.booleans())
    def thin_out_an_orphan(self, all_of_it: bool) -> None:
        if all_of_it:
            shutil.rmtree(self.orphans.pop())
        else:
            for file in files_of(self.orphans[-1])[::2]:
                file.unlink()

    @precondition(lambda self: self.layers)
    @rule()
    def remove_everything(self) -> None:
        for diffs in sorted(self.layers, key=len, reverse=True):
            assert self.goes(diffs)
            remove_layer(self.root, diffs)

    @rule()
    def begin_a_buildkit_step(self) -> None:
        self.made += 1
        folder = self.root.home / BUILDKIT_ID.format(self.made)
        (folder / "upper").mkdir(parents=True)
        (folder / "lower-id").write_text("x")
        self.cached.append(folder)

    @precondition(lambda self: self.cached or self.containers)
    @rule(which=Which, names=st.integers(1, 12), below=st.sampled_from([".", "d", "d/e"]))
    def write_below_an_upper(self, which: int, names: int, below: str) -> None:
        uppers = [*self.cached, *self.containers]
        folder = uppers[which % len(uppers)] / "upper" / below
        folder.mkdir(parents=True, exist_ok=True)
        self.made += 1
        (folder / f"w{self.made}").write_text("x")
        for i in range(1, names):
            os.link(folder / f"w{self.made}", folder / f"w{self.made}-{i}")

    @precondition(lambda self: self.cached or self.containers)
    @rule(which=Which)
    def remove_below_an_upper(self, which: int) -> None:
        uppers = [*self.cached, *self.containers]
        for file in files_of(uppers[which % len(uppers)] / "upper")[1::2]:
            file.unlink()

    @precondition(lambda self: self.cached)
    @rule()
    def prune_a_buildkit_step(self) -> None:
        shutil.rmtree(self.cached.pop())

    # Clocks.

    @rule(hours=st.sampled_from([1, 2, 25]))
    def hours_pass(self, hours: int) -> None:
        self.clocks.wait(hours * HOUR)

    @rule(by=st.sampled_from([-YEAR, -25 * HOUR, -HOUR, HOUR, 25 * HOUR, YEAR]))
    def set_the_wall_clock(self, by: float) -> None:
        self.clocks.step(by)

    # Errors that pass.

    @rule(spare=st.integers(1, 9), anew=st.booleans(), below=Which)
    def have_no_descriptors_for_a_moment(self, spare: int, anew: bool, below: int) -> None:
        self.build(below, ["d/e/a", "x"], [("d/e/a", "y")], ["z"], None)
        self.tell_nothing_untrue(few_descriptors(spare), anew)

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 200), anew=st.booleans(), below=Which)
    def forbid_a_folder_for_a_moment(self, which: int, anew: bool, below: int) -> None:
        self.build(below, ["d/e/a", "x"], [("d/e/a", "y")], ["z"], None)
        folders = [p for p in sorted(self.root.path.rglob("*")) if p.is_dir()]
        self.tell_nothing_untrue(forbidden(folders[which % len(folders)]), anew)

    def tell_nothing_untrue(self, error: AbstractContextManager[None], anew: bool) -> None:
        truth = true_figures(self.root)
        with error:
            (report,) = self.live.look(lambda _: None, anew=anew)
        false = untrue(report, truth, self.slow)
        assert not false, f"(told, true): {false}"

    # A reconcile, in peace and in the midst of everything.

    @rule()
    def reconcile(self) -> None:
        (report,) = self.live.look(lambda _: None, anew=True)
        assert [p for p in report.problems if p.reason is Reason.DRIFT] == []

    @precondition(lambda self: self.layers)
    @rule(moment=st.integers(1, 80), which=Which, act=st.integers(0, 5))
    def reconcile_while_something_happens(self, moment: int, which: int, act: int) -> None:
        acts: list[Callable[[], object]] = [
            lambda: self.stop_half_way_through_a_build(which),
            lambda: self.build(which, ["a"], [("a", "b")], ["x"], "a:1"),
            lambda: self.remove(which),
            lambda: self.stop_half_way_through_a_removal(which),
            lambda: self.run_container(2),
            lambda: self.link_from_outside(which, 0, 3),
        ]
        self.moments.arm(moment, acts[act % (len(acts) - (not self.strangers))])
        (report,) = self.live.look(self.moments.published, anew=True)
        self.moments.disarm()
        assert [p for p in report.problems if p.reason is Reason.DRIFT] == []

    # What must hold.

    @property
    def slow(self) -> tuple[str, ...]:
        """Which figures need not be true at once."""
        cached = self.root.image_home.glob("layerdb/sha256/*/cache-id")
        others = {p.name for p in self.root.home.iterdir()} - {p.read_text() for p in cached}
        return (*self.late, *(SLOW if others else ()))

    @invariant()
    def what_is_told_is_true(self) -> None:
        type(self).acts += 1
        becomes_true(self.live, self.clocks, self.root, slow=self.slow)
        self.late = ()


class EngineAlone(SampledAlone, TruthMachine):
    """Nobody but the engine makes links, and no file is asked for being tight: its kin must tell."""

    strangers = False
    link_from_outside = link_inside_a_layer = remove_links_outside = None  # type: ignore[assignment]
    link_equal_files_to_one = leave_a_copy = thin_out_an_orphan = None  # type: ignore[assignment]


def test_what_is_told_is_true_whatever_happens() -> None:
    play(TruthMachine, SECONDS)


def test_what_is_told_is_true_also_of_files_that_nobody_asks_for_being_tight() -> None:
    play(EngineAlone, SECONDS)


def play(machine: type[TruthMachine], seconds: float, examples: int = 40) -> None:
    """Play until the time is over, but some games at least."""
    begun = time.monotonic()
    game = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    while True:
        run_state_machine_as_test(machine, settings=game)
        passed = time.monotonic() - begun
        if passed >= seconds:
            break
    print(f"{machine.games} games, {machine.acts} acts in {passed:.0f} s")  # noqa: T201  (for whoever ran it for long)
