"""Every query of every dashboard, asked of a real Prometheus that scrapes the real exporter."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dashboards import (
    FLEET,
    HOST,
    Chosen,
    Dashboard,
    Query,
    answer,
    queries,
    resolve,
    unanswered,
)
from disks import disk
from prometheus import Prometheus, Series, prometheus
from serving import Served, served

from exporter.demo.planted import PlantedRoot

JOB = "hardlink-exporter"
LIMIT = 400
NAMES = 10


@dataclass(frozen=True)
class Fleet:
    """One host that runs out, with a second root that cannot be counted whole, and a host that is down."""

    prometheus: Prometheus
    exporter: Served
    whole: str
    broken: str

    @property
    def instance(self) -> str:
        return f"127.0.0.1:{self.exporter.port}"

    @property
    def host(self) -> Chosen:
        return Chosen(
            {"job": (JOB,), "instance": (self.instance,), "root": (self.whole, self.broken)},
            seconds=300,
            step=1,
            rate=8,
        )

    @property
    def all(self) -> Chosen:
        return Chosen({"job": (".+",)}, seconds=300, step=1, rate=8)

    @property
    def choices(self) -> dict[str, Chosen]:
        return {HOST["title"]: self.host, FLEET["title"]: self.all}

    def shown(self, board: Dashboard, title: str) -> list[list[Series]]:
        """What each query of a panel gives, all asked for the same time."""
        asked, now = [query for query in queries(board) if query.title == title], time.time()
        assert asked, title
        return [answer(self.prometheus, query, self.choices[query.board], now) for query in asked]

    def shown_now(self, board: Dashboard, title: str) -> list[list[Series]]:
        """The same without the series that have ended, such as what was not whole for a moment."""
        shown = self.shown(board, title)
        newest = max(one.points[-1][0] for series in shown for one in series)
        return [[one for one in series if one.points[-1][0] == newest] for series in shown]

    def figures(self, board: Dashboard, title: str) -> list[float]:
        """The newest values of a panel, in the order in which they are asked for."""
        return [one.value for series in self.shown(board, title) for one in series]

    def await_figures(self, board: Dashboard, title: str, expected: list[float]) -> None:
        self.prometheus.await_that(lambda: self.figures(board, title) == expected)

    def left(self) -> list[float]:
        """What Prometheus has of the root that runs out."""
        asked = f'hardlink_layers_left{{root="{self.whole}",resource="links"}}'
        return [one.value for one in self.prometheus.instant(asked)]

    def root(self, path: str) -> dict[str, Any]:
        (found,) = [root for root in self.exporter.report() if root["root"] == path]
        return found


def base(tree: Path) -> None:
    (tree / "bin").mkdir()
    (tree / "bin/tool").write_text("tool\n")
    for i in range(1, NAMES):
        os.link(tree / "bin/tool", tree / f"bin/applet{i}")


@contextmanager
def growing(root: PlantedRoot, until: int) -> Iterator[None]:
    """Add a layer now and again until so few are left; now and again one is begun and given up."""
    stop = threading.Event()

    def grow() -> None:
        diffs = root.layer((), base)
        root.image(diffs, "shop:1.0")
        for n in range(2, LIMIT // NAMES - until + 1):
            diffs = root.layer(diffs, lambda tree, n=n: (tree / f"step{n}").write_text("step\n"))  # type: ignore[misc]
            root.image(diffs, "shop:1.0")
            given_up = root.home / root.new_id()
            given_up.mkdir()
            if stop.wait(0.2):
                return
            given_up.rmdir()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with _disk(folder) as place:
        yield from _fleet(folder, place)


def _disk(folder: Path) -> AbstractContextManager[Path]:
    """A disk on which nobody else makes inodes, where we may mount one."""
    if os.geteuid() != 0:
        return nullcontext(folder)
    return disk(folder, "256M", ["mkfs.ext4", "-q", "-N", "200000"])  # links run out first


def _fleet(folder: Path, place: Path) -> Iterator[Fleet]:
    whole, broken = PlantedRoot(place / "whole"), PlantedRoot(place / "broken")
    diffs = broken.layer((), base)
    broken.image(diffs, "base:1")
    lost = broken.layer(diffs, lambda tree: (tree / "more").write_text("more\n"))
    broken.image(lost, "lost:1")
    broken.tree(lost).rename(place / "lost")
    config = folder / "exporter.yml"
    config.write_text(CONFIG.format(whole=whole.path, broken=broken.path, limit=LIMIT))
    with (
        served(folder, f"--config.file={config}") as exporter,
        _prometheus(folder, config, exporter.port) as server,
        growing(whole, until=3),
    ):
        running = Fleet(server, exporter, str(whole.path), str(broken.path))
        running.prometheus.await_that(lambda: running.left() == [3])
        yield running


CONFIG = """\
roots: [{whole}, {broken}]
links_limits: {{{whole}: {limit}}}
scan: {{interval: 1}}
alerts:
  interval: 1s
  warning_for: 0s
  critical_for: 0s
  incomplete_for: 0s
"""


def _prometheus(folder: Path, config: Path, port: int) -> AbstractContextManager[Prometheus]:
    rules = subprocess.check_output(
        [sys.executable, "-m", "exporter", "rules", f"--config.file={config}"]
    )
    (folder / "rules.yml").write_bytes(rules)
    return prometheus(
        folder,
        f"""\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: {JOB}
    static_configs: [{{targets: ["127.0.0.1:{port}", "127.0.0.1:1"]}}]
""",
    )


def test_every_query_answers_with_sane_values(fleet: Fleet) -> None:
    silent: list[Query] = []

    def all_answered() -> bool:
        silent[:] = unanswered(fleet.prometheus, fleet.choices, time.time())
        return not silent

    try:
        fleet.prometheus.await_that(all_answered, 40)
    except AssertionError:
        assert list(map(str, silent)) == []
        raise


def test_variables_offer_what_there_is(fleet: Fleet) -> None:
    assert resolve(fleet.prometheus, HOST, fleet.host) == {
        "job": [JOB],
        "instance": [fleet.instance],
        "root": sorted([fleet.whole, fleet.broken]),
    }
    fleet.prometheus.await_that(
        lambda: resolve(fleet.prometheus, FLEET, fleet.all) == {"job": [JOB]}
    )


def test_layers_left_are_exact_where_all_layers_are_counted_and_at_most_where_not(
    fleet: Fleet,
) -> None:
    least = fleet.root(fleet.broken)["layers_left"]["links"]

    def is_left() -> bool:
        exact, at_most = fleet.shown_now(HOST, "Layers left")
        assert {one.labels["resource"] for one in (*exact, *at_most)} == {"links"}
        return (values(exact), values(at_most)) == ({fleet.whole: 3}, {fleet.broken: least})

    def is_linked() -> bool:
        exact, at_least, _ = fleet.shown_now(HOST, "Most links of one file, against the limit")
        return values(exact) == {fleet.whole: LIMIT - 3 * NAMES} and [*values(at_least)] == [
            fleet.broken
        ]

    fleet.prometheus.await_that(is_left)
    fleet.prometheus.await_that(is_linked)


def values(series: list[Series]) -> dict[str, float]:
    return {one.labels["root"]: one.value for one in series}


def test_the_host_dashboard_shows_what_the_report_says(fleet: Fleet) -> None:
    (images,) = fleet.shown(HOST, "Images with least left")
    told = {
        (root["root"], image["name"]): image["layers_left"]
        for root in (fleet.root(fleet.whole), fleet.root(fleet.broken))
        for image in root["images"]
        if image["layers_left"]["links"] is not None and image["name"] is not None
    }
    assert len(told) == 2
    assert len(images) == 4
    for one in images:
        expected = told[one.labels["root"], one.labels["image"]][one.labels["resource"]]
        assert one.value == pytest.approx(expected, rel=0.05), "inodes are shared with others"
    depth = fleet.shown(HOST, "Depth of the deepest image")[0]
    assert {one.labels["root"]: one.value for one in depth} == {
        root: fleet.root(root)["depth_max"] for root in (fleet.whole, fleet.broken)
    }


def test_files_by_number_of_links_fall_from_bound_to_bound(fleet: Fleet) -> None:
    counts = fleet.figures(HOST, "Files by number of links")
    assert len(counts) == 6
    assert counts == sorted(counts, reverse=True)
    assert counts[2] > 0, "the tool has more than 100 links"
    assert counts[3:] == [0, 0, 0]


def test_layers_given_up_and_the_end_to_come_are_seen(fleet: Fleet) -> None:
    fleet.prometheus.await_that(
        lambda: any(
            value > 0
            for series in fleet.shown(HOST, "Layers given up")
            for one in series
            for _, value in one.points
        )
    )
    (ends,) = fleet.shown(HOST, "Runs out in")
    (soon,) = [one for one in ends if one.labels["root"] == fleet.whole]
    assert soon.labels["resource"] == "links"
    assert 0 < soon.value < 24 * 3600


@pytest.mark.parametrize("board", [HOST, FLEET], ids=["host", "fleet"])
def test_alerts_that_fire_are_named(fleet: Fleet, board: Dashboard) -> None:
    expected = {("HardlinkLayersLeftLow", fleet.whole), ("HardlinkScanIncomplete", fleet.broken)}

    def named() -> set[tuple[str, str | None]]:
        (alerts,) = fleet.shown(board, "Alerts firing")
        return {(one.labels["alertname"], one.labels.get("root")) for one in alerts}

    fleet.prometheus.await_that(lambda: named() >= expected)


def test_the_fleet_is_counted(fleet: Fleet) -> None:
    expected = {
        "Exhausted": 0,
        "Below the critical threshold": 1,
        "Below the warning threshold": 1,
        "Least left anywhere": 3,
        "Roots": 2,
        "Exporters": 2,
        "Exporters down": 1,
        "Roots down": 0,
        "Stale": 0,
        "Incomplete": 1,
        "By polling only": 0,
    }
    for title, count in expected.items():
        fleet.await_figures(FLEET, title, [count])
    tightest, counted = fleet.shown(FLEET, "The 20 tightest roots")
    assert {
        (one.labels["root"], one.labels["driver"], one.labels["resource"], one.value)
        for one in tightest
        if one.labels["root"] == fleet.whole
    } == {(fleet.whole, "overlay", "links", 3)}
    assert {one.labels["root"]: one.value for one in counted} == {fleet.whole: 1, fleet.broken: 0.5}
