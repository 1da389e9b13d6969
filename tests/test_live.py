"""What is kept between looks equals what a fresh look finds, whatever the engine and others do."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from acts import EngineAndStrangers, SampledAlone
from hypothesis import settings
from hypothesis.stateful import invariant, rule
from looking import as_json, ledger_of, look_one, names_of, walked_names

from exporter.demo.planted import PlantedRoot
from exporter.looking.scan import LiveRoot
from exporter.model import Reason, Reports, Root

LIMIT = 60


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


class LiveMachine(EngineAndStrangers):
    """What happens is seen at once, and costs no second walk."""

    def __init__(self) -> None:
        super().__init__()
        self.live = LiveRoot(
            Root(str(self.root.path), self.root.path, links_limits={str(self.root.path): LIMIT})
        )

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


class EngineAlone(SampledAlone, LiveMachine):
    """Nobody but the engine makes links, and no file is asked for being tight: its kin must tell."""

    link_from_outside = remove_links_outside = None  # type: ignore[assignment]


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
