"""From a real engine that fills up to what a person reads in the chat, nothing mocked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from alertmanager import Message
from conftest import need_engine
from dashboards import ALL, DASHBOARDS, Chosen, resolve, unanswered
from stack import HOST, Stack, stack

from exporter.alerting import RUNBOOKS

pytestmark = [pytest.mark.engine, pytest.mark.root, pytest.mark.timeout(400)]

LOW, EXHAUSTED = "HardlinkLayersLeftLow", "HardlinkExhausted"
FEW = "Few more layers fit on images of a Docker storage root."
NONE = "No more layers fit: the next layer on these images fails."
ACTION = (
    "Remove images that nobody needs (`docker rmi`), first those named here and what is built on"
    " them; build with BuildKit, which links nothing; plan the move to overlay2."
)

SILENT = {
    "HardlinkExporterDown": "the exporter was up all the time",
    "HardlinkRootDown": "the root was there all the time",
    "HardlinkScanStale": "each look came in time",
    "HardlinkScanIncomplete": "every layer can be counted",
    "HardlinkWatchLost": "inotify works here",
    "HardlinkLayerDepthNearLimit": "no image is deeper than 32 layers",
}
"""Rules whose expression rightly gives nothing in this story, and why."""


@dataclass
class Story:
    """What was heard, and between which unix times it happened. `failed` is what docker said."""

    stack: Stack
    begun: float
    ended: float = 0.0
    failed: str = ""


def await_message(running: Stack, title: str) -> Message:
    running.prometheus.await_that(lambda: running.chat.titled(title), seconds=90)
    (message,) = running.chat.titled(title)
    return message


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Fill a root until nothing fits, each step heard before the next; then make room."""
    need_engine()
    with stack(tmp_path_factory.mktemp("stack")) as running:
        told = Story(running, time.time())
        running.load("ci/app:1", 19)
        running.await_left(12)
        await_message(running, f"[WARNING] {LOW}")
        running.load("ci/web:1", 27)
        running.await_left(4)
        await_message(running, f"[CRITICAL] {LOW}")
        files = {f"f{i}": "x" for i in range(5)}
        lines = ["FROM ci/web:1", *(f"COPY {name} /{name}" for name in files)]
        told.failed = running.engine.build(lines, files, "ci/last:1")
        running.await_left(0)
        await_message(running, f"[CRITICAL] {EXHAUSTED}")

        def failure_is_told() -> object:
            """On a slow machine what else went at that time may explain it: then one more fails."""
            if running.prometheus.alerts("HardlinkLayerFailed"):
                return True
            time.sleep(5)
            told.failed = running.engine.build(lines, files, "ci/last:1")
            return False

        running.prometheus.await_that(failure_is_told)
        told.ended = time.time()
        yield told


def text(story: Story, summary: str, left: str, images: str, name: str) -> str:
    root = story.stack.root
    return (
        f"{summary}\nHost: {HOST}\nRoot: {root} (overlay)\n"
        f"Layers left in {root} (overlay) on {HOST} before its links run out: {left}.\n"
        f"Images concerned: {images}.\nWhat to do: {ACTION}\nRunbook: {RUNBOOKS}/{name}.md\n"
    )


def test_a_person_reads_the_warning_then_the_critical_then_that_it_is_exhausted(
    story: Story,
) -> None:
    root = story.stack.root
    assert "too many links" in story.failed
    assert story.stack.chat.messages[:3] == [
        Message(
            "#docker-hosts",
            "warning",
            f"[WARNING] {LOW}: {root} on {HOST}",
            text(
                story,
                FEW,
                "12 (below 20 is warning)",
                "base:1 (12 left), ci/app:1 (12 left)",
                LOW,
            ),
        ),
        Message(
            "#on-call",
            "danger",
            f"[CRITICAL] {LOW}: {root} on {HOST}",
            text(
                story,
                FEW,
                "4 (below 5 is critical)",
                "base:1 (4 left), ci/app:1 (4 left), ci/web:1 (4 left)",
                LOW,
            ),
        ),
        Message(
            "#on-call",
            "danger",
            f"[CRITICAL] {EXHAUSTED}: {root} on {HOST}",
            text(
                story,
                NONE,
                "0: every build, pull, load or commit that stacks a layer there fails",
                "base:1 (0 left), ci/app:1 (0 left), ci/web:1 (0 left)",
                EXHAUSTED,
            ),
        ),
    ]


def test_the_expression_of_every_rule_gave_data_or_rightly_none(story: Story) -> None:
    server = story.stack.prometheus
    for rule in server.rules():
        found = server.range(rule["query"], story.begun, story.ended, 1)
        assert bool(found) is (rule["name"] not in SILENT), f"{rule['name']}: {found}"
        assert rule["health"] == "ok", rule
    assert {rule["name"] for rule in server.rules()} >= SILENT.keys()


def test_every_query_of_the_dashboards_gave_data_or_rightly_none(story: Story) -> None:
    server, root = story.stack.prometheus, story.stack.root
    host = {"job": ("hardlink-exporter",), "instance": (HOST,), "root": (root,)}
    long = round(story.ended - story.begun)
    choices = {
        board["title"]: Chosen(values, seconds=long, step=1, rate=8)
        for board, values in (
            (DASHBOARDS["hardlink-host"], host),
            (DASHBOARDS["hardlink-fleet"], {"job": (ALL,)}),
        )
    }
    silent = unanswered(server, choices, story.ended)
    figures = {query.title for query in silent if " unless on " not in query.expr}
    assert figures == {"Problems by reason"}, "there were none, and all layers were counted"
    for board in DASHBOARDS.values():
        offered = resolve(server, board, choices[board["title"]])
        assert offered == {name: list(host[name]) for name in offered}


def test_no_annotation_failed_to_be_written(story: Story) -> None:
    for alert in story.stack.prometheus.alerts():
        for words in alert["annotations"].values():
            assert "error" not in words, words
            assert "%!" not in words, words


def test_the_address_of_the_chat_which_is_a_secret_is_in_no_log(story: Story) -> None:
    for server in (story.stack.alertmanager, story.stack.prometheus):
        assert story.stack.chat.url not in server.log


def test_the_exporter_is_scraped_within_the_limits_of_the_example(story: Story) -> None:
    (target,) = story.stack.prometheus.targets()
    assert (target["health"], target["lastError"]) == ("up", "")
    ours = "count(hardlink_image_layers_left) + 10 + 40 == scalar(scrape_samples_scraped)"
    story.stack.prometheus.await_that(lambda: story.stack.prometheus.instant(ours))


def test_when_images_are_removed_a_person_reads_that_it_is_over(story: Story) -> None:
    running, root = story.stack, story.stack.root
    running.engine.docker("image", "prune", "-f")
    running.engine.docker("rmi", "ci/web:1", "ci/app:1")
    running.prometheus.await_that(lambda: len(running.chat.titled("[RESOLVED]")) >= 3, seconds=120)
    assert sorted(
        (m.channel, m.color, m.title, m.text) for m in running.chat.titled("[RESOLVED]")
    ) == [
        (
            channel,
            "good",
            f"[RESOLVED] {name}: {root} on {HOST}",
            f"No longer so: {summary}\nHost: {HOST}\nRoot: {root} (overlay)\n",
        )
        for channel, name, summary in (
            ("#docker-hosts", LOW, FEW),
            ("#on-call", EXHAUSTED, NONE),
            ("#on-call", LOW, FEW),
        )
    ]
