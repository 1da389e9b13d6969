"""The one judgement of a root, and that every output words the same."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from statuses import (
    CRITICAL,
    DEEP,
    DOWN,
    EMPTY,
    EXHAUSTED,
    NOW,
    OK,
    OVERLAY2,
    PARTIAL,
    STALE,
    UNKNOWN,
    WARNING,
    left,
    root,
    status,
)

from exporter.alerting import Alerts
from exporter.config import Config, Scan, Thresholds
from exporter.demo.planted import PlantedRoot
from exporter.looking.scan import LiveRoot
from exporter.model import Reports, Resource, Root, RootReport, ScanFacts
from exporter.telling.assessment import Assessment, Level, assess, assess_waiting
from exporter.telling.report import to_json
from exporter.telling.status_line import status_line
from exporter.telling.table import print_table
from exporter.web.page.document import status_page

TOP = Path(__file__).parent.parent

LINKS, INODES, DEPTH = Resource


def judged(report: RootReport, config: Config | None = None, now: float = NOW) -> Assessment:
    return assess(report, config or Config(), now)


@pytest.mark.parametrize(
    ("report", "level", "sentence"),
    [
        (OK, Level.OK, "97 more layers fit, then depth runs out"),
        (WARNING, Level.WARNING, "12 more layers fit, then links run out"),
        (CRITICAL, Level.CRITICAL, "3 more layers fit, then links run out"),
        (
            EXHAUSTED,
            Level.EXHAUSTED,
            "0 more layers fit, no links are left: the next layer on the tightest images fails",
        ),
        (DOWN, Level.DOWN, "there is no such folder"),
        (replace(DOWN, problems=()), Level.DOWN, "the last scan gave no figures"),
        (PARTIAL, Level.INCOMPLETE, "at most 97 more layers fit, then depth runs out"),
        (
            UNKNOWN,
            Level.UNKNOWN,
            "97 more layers fit, then depth runs out; links may run out sooner, that is not known",
        ),
        (OVERLAY2, Level.OK, "97 more layers fit, then depth runs out"),
        (
            STALE,
            Level.STALE,
            "97 more layers fit, then depth runs out; these figures are stale",
        ),
        (DEEP, Level.INFO, "4 more layers fit, then depth runs out"),
        (
            replace(DEEP, layers_left=left(700, depth=0)),
            Level.INFO,
            "0 more layers fit on the deepest image",
        ),
        (EMPTY, Level.OK, "there is no image layer yet"),
        (replace(OK, layers_left={}), Level.OK, "nothing can run out"),
        (
            replace(OK, layers_left={LINKS: None, DEPTH: None}),
            Level.UNKNOWN,
            "how many more layers fit is not known",
        ),
        (
            replace(OK, layers_left=left(700, inodes=1)),
            Level.CRITICAL,
            "1 more layer fits, then inodes run out",
        ),
        (
            replace(WARNING, layers_left=left(12, depth=0)),
            Level.WARNING,
            "12 more layers fit, then links run out; the deepest image takes 0 more",
        ),
        (
            replace(PARTIAL, layers_left=left(3)),
            Level.CRITICAL,
            "at most 3 more layers fit, then links run out",
        ),
        (
            replace(EXHAUSTED, scan=STALE.scan),
            Level.EXHAUSTED,
            "0 more layers fit, no links are left: the next layer on the tightest images fails;"
            " these figures are stale",
        ),
    ],
)
def test_each_state_has_one_level_and_one_sentence(
    report: RootReport, level: Level, sentence: str
) -> None:
    one = judged(report)
    assert (one.level, one.sentence) == (level, sentence)


def test_a_root_that_is_scanned_for_the_first_time_is_pending_until_the_alert_fires() -> None:
    config = Config(alerts=Alerts(stale_for="2m"))
    young, old = (assess_waiting("/r", waited, config) for waited in (120, 121))
    assert (young.level, young.stale, young.sentence) == (
        *(Level.PENDING, False),
        "the first scan is under way",
    )
    assert (old.level, old.stale, old.sentence) == (
        *(Level.STALE, True),
        "the first scan has not answered",
    )


@pytest.mark.parametrize(
    ("links", "level"),
    [
        (0, Level.EXHAUSTED),
        (4, Level.CRITICAL),
        (5, Level.WARNING),
        (19, Level.WARNING),
        (20, Level.OK),
    ],
)
def test_the_thresholds_are_the_first_figures_that_are_better(links: int, level: Level) -> None:
    assert judged(root("/r", links)).level is level


def test_the_bounds_are_those_of_the_configuration() -> None:
    config = Config(
        thresholds=Thresholds(warning=900, critical=800), alerts=Alerts(depth_left=1001)
    )
    assert judged(replace(OK, layers_left=left(700, depth=1001)), config).level is Level.CRITICAL
    assert judged(replace(OK, layers_left=left(900, depth=1000)), config).level is Level.INFO
    assert judged(replace(OK, layers_left=left(900, depth=1001)), config).level is Level.OK


@pytest.mark.parametrize(("interval", "after"), [(30, 600), (3600, 10800)])
@pytest.mark.parametrize("wait", [0, 300])
def test_figures_are_stale_when_they_are_too_old_and_when_they_are_of_a_time_to_come(
    interval: int, after: int, wait: int
) -> None:
    config = Config(scan=Scan(interval=interval), alerts=Alerts(stale_for=f"{wait}s"))
    looked, old = OK.scan.looked, after + wait
    found = [judged(OK, config, looked + age).stale for age in (-after - 1, -after, old, old + 1)]
    assert found == [True, False, False, True]


GREEN, YELLOW, CYAN, BOLD_RED = "32", "33", "36", "1;31"


@pytest.mark.parametrize(
    ("level", "colour"),
    [
        *((Level.OK, GREEN), (Level.INFO, YELLOW), (Level.PENDING, CYAN)),
        *((Level.INCOMPLETE, CYAN), (Level.UNKNOWN, YELLOW), (Level.WARNING, YELLOW)),
        *((Level.STALE, YELLOW), (Level.DOWN, BOLD_RED), (Level.CRITICAL, BOLD_RED)),
        (Level.EXHAUSTED, BOLD_RED),
    ],
)
def test_each_level_has_a_colour_on_a_terminal_and_ok_has_its_own(
    level: Level, colour: str
) -> None:
    one = replace(judged(OK), level=level)
    assert colours(one, Config()) == [colour, "0"]


def test_a_figure_that_is_not_known_has_the_colour_of_unknown_on_a_terminal() -> None:
    cells = coloured(judged(UNKNOWN), Config()).replace(" ", "")
    assert f"\x1b[{YELLOW}m?\x1b[0m" in cells


def test_at_most_means_coverage_below_1_and_nothing_else() -> None:
    counted, incomplete = replace(OK.scan, complete=False), replace(OK.scan, coverage=0.9999)
    assert not judged(replace(OK, scan=counted)).at_most
    assert judged(replace(OK, scan=incomplete)).at_most


def test_every_level_is_in_the_readme() -> None:
    section = (TOP / "README.md").read_text().partition("### Levels\n")[2].partition("\n### ")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert told == [level.word for level in sorted(Level, reverse=True)]


# -- all outputs say the same


def printed(one: Assessment, config: Config) -> str:
    """Print one root's table as `scan` does."""
    console = Console(width=10_000, color_system=None)
    with console.capture() as captured:
        print_table([one], config, console)
    return captured.get()


def coloured(one: Assessment, config: Config) -> str:
    """Print one root's table as `scan` does on a terminal."""
    console = Console(width=10_000, color_system="standard", force_terminal=True, no_color=False)
    with console.capture() as captured:
        print_table([one], config, console)
    return captured.get()


def colours(one: Assessment, config: Config) -> list[str]:
    """The styles of the line of a root's level on a terminal, in turn."""
    line = coloured(one, config).splitlines()[1]
    return re.findall(r"\x1b\[([\d;]+)m", line)


def said_by_table(one: Assessment, config: Config) -> tuple[str, str, bool]:
    _, line, *rest = printed(one, config).splitlines()
    level, _, sentence = line.strip().partition(": ")
    return level, sentence, any(words.startswith("  layers left at most:") for words in rest)


def said_by_status_line(one: Assessment) -> tuple[str, str]:
    line = status_line([one], None, ready=True)
    level, _, sentence = line.removeprefix(f"{one.root} ({one.driver}): ").partition(", ")
    return level, sentence


def said_by_json(one: Assessment) -> tuple[str, str, bool, bool]:
    found = json.loads(to_json([one]))["roots"][0]["assessment"]
    assert set(found) == {"level", "sentence", "at_most", "stale"}
    return found["level"], found["sentence"], found["at_most"], found["stale"]


def said_by_page(report: RootReport, config: Config) -> tuple[str, str, bool, bool]:
    page = status_page(status(report, config=config), "/metrics", NOW)
    section = page.partition('<section id="root-0"')[2].partition("</section>")[0]
    (level,) = re.findall(r'<span class="chip (\w+)">\1</span>', section)
    (headline,) = re.findall(rf'<p class="headline {level}">(.*?)</p>', section)
    sentence = unescape(re.sub("<.*?>", "", headline))
    at_most = "until all are counted, layers left means at most" in section
    return level, sentence, at_most, '<b class="stale">' in section


def agreed(report: RootReport, config: Config) -> tuple[str, str, bool, bool]:
    """What all four outputs say of a root that is up: level, sentence, at most, stale."""
    one = judged(report, config)
    level, sentence, at_most, stale = said_by_json(one)
    assert said_by_table(one, config) == (level, sentence, at_most)
    assert said_by_status_line(one) == (level, sentence)
    assert said_by_page(report, config) == (
        level,
        sentence if one.left is not None else sentence[:1].upper() + sentence[1:],
        at_most,
        stale,
    )
    return level, sentence, at_most, stale


COUNTS = st.none() | st.integers(0, 30) | st.integers(0, 2**40)

CONFIGS = st.builds(
    lambda bounds, depth, stale, wait, interval: Config(
        thresholds=Thresholds(critical=min(bounds), warning=max(bounds)),
        alerts=Alerts(depth_left=depth, stale_after=f"{stale}s", stale_for=f"{wait}s"),
        scan=Scan(interval=interval),
    ),
    st.tuples(st.integers(0, 40), st.integers(0, 40)),
    st.integers(0, 40),
    st.integers(1, 2000),
    st.integers(0, 500),
    st.integers(1, 1000),
)

REPORTS = st.builds(
    lambda scan, layers_left, links_max, depth_max: replace(
        OK, scan=scan, layers_left=layers_left, links_max=links_max, depth_max=depth_max
    ),
    st.builds(
        ScanFacts,
        complete=st.booleans(),
        coverage=st.just(1.0) | st.floats(0, 1),
        looked=st.integers(-3000, 3000).map(lambda age: NOW - age),
    ),
    st.dictionaries(st.sampled_from(Resource), COUNTS),
    COUNTS,
    st.none() | st.integers(0, 125),
)


@settings(deadline=None)
@given(REPORTS, CONFIGS)
def test_all_outputs_agree_on_any_report(report: RootReport, config: Config) -> None:
    level, sentence, at_most, stale = agreed(report, config)
    assert at_most == (report.scan.coverage < 1)
    assert sentence.startswith("at most ") == (at_most and judged(report, config).left is not None)
    assert ("these figures are stale" in sentence) == stale
    assert not (level == "ok" and (at_most or stale or None in report.layers_left.values()))


@given(REPORTS, CONFIGS)
def test_no_fewer_layers_fit_than_told_but_on_the_deepest_image_which_is_told_too(
    report: RootReport, config: Config
) -> None:
    one = judged(report, config)
    known = {r: n for r, n in report.layers_left.items() if n is not None}
    if one.left is None:
        assert report.depth_max == 0 or not known
        return
    assert one.left == known[one.resource or DEPTH]
    sooner = {r: n for r, n in known.items() if n < one.left}
    assert sooner.keys() <= {DEPTH}
    assert all(f"the deepest image takes {n:,} more" in one.sentence for n in sooner.values())


@given(REPORTS, CONFIGS)
def test_the_level_is_the_worst_of_what_is_so(report: RootReport, config: Config) -> None:
    one = judged(report, config)
    fewest = min(
        (n for r, n in report.layers_left.items() if n is not None and r != DEPTH), default=None
    )
    assert (one.level is Level.EXHAUSTED) == (fewest == 0)
    if fewest is not None and 0 < fewest < config.thresholds.critical:
        assert one.level is Level.CRITICAL
    if one.stale or one.at_most:
        assert one.level >= (Level.STALE if one.stale else Level.INCOMPLETE)


def test_a_root_that_is_down_is_down_everywhere_for_one_reason() -> None:
    one, why = judged(DOWN), "there is no such folder"
    assert said_by_json(one) == ("down", why, False, False)
    assert said_by_table(one, Config()) == ("down", why, False)
    assert status_line([one], None, ready=True) == f"/mnt/gone: down, {why}"
    page = status_page(status(DOWN), "/metrics", NOW)
    assert '<span class="chip down">down</span>' in page
    assert "<p>There is no such folder.</p>" in page


def test_a_root_without_an_answer_is_pending_everywhere() -> None:
    moment = status(watches={"/srv/new": status(OK).view.watches[OK.root]})
    (one,) = moment.assessments(NOW)
    told = {"level": "pending", "sentence": "the first scan is under way"}
    document = json.loads(to_json([one]))
    assert document["roots"] == []
    assert document["waiting"] == [
        {"root": "/srv/new", "assessment": told | {"at_most": False, "stale": False}}
    ]
    assert printed(one, Config()).splitlines()[1] == "  pending: the first scan is under way"
    assert status_line([one], None, ready=False) == "/srv/new: pending, the first scan is under way"
    page = status_page(moment, "/metrics", NOW)
    assert '<span class="chip pending">pending</span>' in page
    assert "<p>The first scan is under way.</p>" in page


def test_between_the_image_layers_and_a_container_the_figures_are_exact_everywhere(
    planted: PlantedRoot,
) -> None:
    planted.image(planted.layer((), lambda tree: (tree / "file").touch()), "base:1")
    (planted.home / planted.new_id() / "upper").mkdir(parents=True)  # as a container has it
    published: list[Reports] = []
    (last,) = LiveRoot(Root(str(planted.path), planted.path)).look(published.append)
    ((between,),) = published
    assert (between.scan.coverage, between.scan.complete) == (1.0, False)
    assert last.scan.complete
    moment = replace(between, scan=replace(between.scan, looked=NOW))
    assert agreed(moment, Config()) == (
        *("ok", "124 more layers fit, then depth runs out"),
        *(False, False),
    )
    for text in (
        printed(judged(moment), Config()),
        status_page(status(moment), "/metrics", NOW),
    ):
        assert "at most" not in text
        assert "at least" not in text
