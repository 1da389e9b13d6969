"""Problems of the engine's records of layers come, stay and go as the records' own trouble does."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from clocks import Clocks, live_on
from layertar import RecordedRoot, record
from removal import remove_image, remove_layer
from transient import few_descriptors, forbidden
from truth import becomes_true, scan, true_figures, unlike, untrue

from exporter.disk.site import unheard
from exporter.looking.live import REREAD_SECONDS
from exporter.model import Problem, Reason


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedRoot:
    return RecordedRoot(tmp_path / "docker")


def fill(tree: Path) -> None:
    """Make so many files that a small difference is worth looking up."""
    for i in range(50):
        (tree / f"f{i}").touch()


def two_layers(root: RecordedRoot) -> tuple[str, tuple[str, ...]]:
    """Record an image of two layers, the upper of which changes little."""
    top = root.layer(root.layer((), fill), lambda t: (t / "own").touch())
    return root.image(top, "top:1"), top


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def damaged(problems: tuple[Problem, ...]) -> list[str]:
    """The damaged records that a report tells of; it tells of nothing else."""
    assert {problem.reason for problem in problems} <= {Reason.TAR_SPLIT}
    return [problem.where for problem in problems]


@pytest.mark.parametrize("spare", range(4))
def test_a_record_that_no_descriptor_was_left_for_is_no_problem(
    recorded: RecordedRoot, clocks: Clocks, spare: int
) -> None:
    live = live_on(recorded, clocks)
    two_layers(recorded)
    with ExitStack() as lasting:

        def counted(done: int, _of: int) -> None:
            if done == 1:  # the other layer is told from this one
                lasting.enter_context(few_descriptors(spare))

        live.counted = counted
        report = scan(live)
    live.counted = unheard
    assert [p for p in report.problems if p.reason is Reason.TAR_SPLIT] == []
    assert becomes_true(live, clocks, recorded).problems == ()


def test_a_damaged_record_is_a_problem_until_its_layer_is_removed(
    recorded: RecordedRoot, clocks: Clocks
) -> None:
    tagged, top = two_layers(recorded)
    file = record(recorded, top)
    cut(file)
    live = live_on(recorded, clocks)
    for anew in (False, False, True, False, True):
        clocks.wait(REREAD_SECONDS)
        assert damaged(scan(live, anew=anew).problems) == [str(file)]
    remove_image(recorded, tagged)
    remove_layer(recorded, top)
    assert scan(live).problems == ()
    assert scan(live, anew=True).problems == ()


@pytest.mark.parametrize("scanned", [False, True])
def test_a_damaged_record_is_no_problem_when_its_layer_was_pulled_again(
    recorded: RecordedRoot, clocks: Clocks, tmp_path: Path, scanned: bool
) -> None:
    """`scanned`: whether a scan saw that the layer was gone."""
    _, top = two_layers(recorded)
    file = record(recorded, top)
    whole = file.read_bytes()
    cut(file)
    live = live_on(recorded, clocks)
    assert damaged(scan(live).problems) == [str(file)]
    tree, aside = recorded.tree(top), tmp_path / "aside"
    file.parent.rename(aside)
    tree.parent.rename(tmp_path / "tree")
    if scanned:
        scan(live)
    (aside / file.name).write_bytes(whole)
    (aside / "cache-id").write_text(recorded.new_id())
    (tmp_path / "tree").rename(recorded.home / (aside / "cache-id").read_text())
    aside.rename(file.parent)
    assert becomes_true(live, clocks, recorded).problems == ()
    assert scan(live, anew=True).problems == ()


@pytest.mark.parametrize("anew", [False, True])
def test_a_record_that_could_not_be_read_is_a_problem_until_it_can_be(
    recorded: RecordedRoot, clocks: Clocks, anew: bool
) -> None:
    _, top = two_layers(recorded)
    file = record(recorded, top)
    live = live_on(recorded, clocks)
    with forbidden(file):
        for _ in range(3):
            report = scan(live)
            assert damaged(report.problems) == [str(file)]
            assert untrue(report, true_figures(recorded)) == {}
            clocks.wait(REREAD_SECONDS)
        scan(live, anew=anew)
    clocks.wait(REREAD_SECONDS)
    assert scan(live).problems == ()
    assert unlike(scan(live, anew=True), clocks, recorded) == {}


def test_a_layer_is_to_be_pulled_again_for_a_damaged_record_and_not_for_one_that_cannot_be_read(
    recorded: RecordedRoot, clocks: Clocks
) -> None:
    _, top = two_layers(recorded)
    file = record(recorded, top)
    with forbidden(file):
        (problem,) = scan(live_on(recorded, clocks)).problems
    assert problem.what == (
        "cannot be read: Permission denied; the layer is walked instead,"
        " and the daemon tries to read it again every five minutes"
    )
    assert REREAD_SECONDS == 5 * 60
    cut(file)
    (problem,) = scan(live_on(recorded, clocks)).problems
    assert problem.what.startswith("is damaged: ")
    assert problem.what.endswith(
        "; the layer is walked, but the engine cannot save or push it: pull or build it again"
    )


def test_a_record_that_could_not_be_read_and_is_gone_is_no_problem(
    recorded: RecordedRoot, clocks: Clocks
) -> None:
    _, top = two_layers(recorded)
    live = live_on(recorded, clocks)
    with forbidden(record(recorded, top)):
        assert damaged(scan(live).problems) == [str(record(recorded, top))]
    record(recorded, top).unlink()
    clocks.wait(REREAD_SECONDS)
    assert scan(live).problems == ()
