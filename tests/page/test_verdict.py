"""How a root stands, in one word and one sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from statuses import (
    CRITICAL,
    DOWN,
    EXHAUSTED,
    FINE,
    LOW,
    NOW,
    OLD,
    OVERLAY2,
    PARTIAL,
    UNKNOWN,
    left,
    root,
)

from exporter.config import Config, Scan, Thresholds
from exporter.model import Resource, RootReport
from exporter.web.page.verdict import Level, verdict


@pytest.mark.parametrize(
    ("report", "level", "word", "sentence"),
    [
        (FINE, Level.FINE, "fine", "97 more layers fit, then depth runs out"),
        (LOW, Level.LOW, "low", "12 more layers fit, then links run out"),
        (CRITICAL, Level.CRITICAL, "critical", "3 more layers fit, then links run out"),
        (
            EXHAUSTED,
            Level.EXHAUSTED,
            "exhausted",
            "the next layer on its tightest images fails, no links are left",
        ),
        (DOWN, Level.DOWN, "down", "there is no such folder"),
        (PARTIAL, Level.FINE, "fine so far", "at most 97 more layers fit, then depth runs out"),
        (
            UNKNOWN,
            Level.UNKNOWN,
            "not known",
            "97 more layers fit, then depth runs out; links may end sooner, that limit is unknown",
        ),
        (OVERLAY2, Level.FINE, "fine", "97 more layers fit, then depth runs out"),
        (
            OLD,
            Level.OLD,
            "old figures",
            "97 more layers fit, then depth runs out; that is an old figure",
        ),
    ],
    ids=lambda value: value.root if isinstance(value, RootReport) else None,
)
def test_each_state_has_its_word_and_sentence(
    report: RootReport, level: Level, word: str, sentence: str
) -> None:
    judged = verdict(report, Config(), NOW)
    assert (judged.level, judged.word, judged.sentence) == (level, word, sentence)


@pytest.mark.parametrize(
    ("links", "level"),
    [(0, Level.EXHAUSTED), (4, Level.CRITICAL), (5, Level.LOW), (19, Level.LOW), (20, Level.FINE)],
)
def test_the_thresholds_are_the_first_figures_that_are_better(links: int, level: Level) -> None:
    assert verdict(root("/r", links), Config(), NOW).level is level


def test_the_thresholds_are_those_of_the_configuration() -> None:
    config = Config(thresholds=Thresholds(warning=900, critical=800))
    report = replace(FINE, layers_left=left(700, depth=1000))
    assert verdict(report, config, NOW).level is Level.CRITICAL


def test_depth_alone_never_says_that_the_host_stops() -> None:
    deepest = replace(FINE, layers_left=left(700, depth=0))
    judged = verdict(deepest, Config(), NOW)
    assert judged.level is Level.LOW
    assert judged.sentence == "the deepest image takes no further layer"


def test_inodes_that_run_out_are_as_bad_as_links() -> None:
    report = replace(FINE, layers_left=left(700, inodes=1))
    judged = verdict(report, Config(), NOW)
    assert judged.level is Level.CRITICAL
    assert judged.sentence == "1 more layer fits, then inodes run out"


def test_exhausted_stays_exhausted_when_its_figures_are_old() -> None:
    old = replace(EXHAUSTED, scan=OLD.scan)
    assert verdict(old, Config(), NOW).level is Level.EXHAUSTED


def test_figures_are_old_only_after_three_intervals() -> None:
    seldom = Config(scan=Scan(interval=3600))
    assert verdict(OLD, seldom, NOW).level is Level.FINE
    assert verdict(OLD, seldom, NOW + 3 * 3600).level is Level.OLD


def test_a_root_where_nothing_is_known_says_so() -> None:
    report = replace(FINE, layers_left={Resource.LINKS: None})
    judged = verdict(report, Config(), NOW)
    assert judged.level is Level.UNKNOWN
    assert judged.sentence == "how many more layers fit is not known"
