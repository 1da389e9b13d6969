"""A real exporter that dies, starts again, loses its root or hangs: no alert falls silent for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from inotify import setting
from prometheus import Prometheus, prometheus
from serving import Served, served
from stack import EXAMPLE

from exporter.demo.planted import PlantedRoot

pytestmark = pytest.mark.timeout(200)

NAMES = 10

CONFIG = """\
links_limits: {ROOT: 50}
scan: {interval: 0.5}
alerts:
  interval: 1s
  hold: 1m
  keep_firing_for: 1s
  critical_for: 1s
  root_down_for: 1s
  stale_after: 3s
  stale_for: 1s
  incomplete_for: 1s
  exporter_down_for: 1s
  depth_for: 1s
  watch_lost_for: 1s
"""

DEEP = 120
"""Layers of an image that is nearly too deep: 5 fewer than the engine allows."""


def base(tree: Path) -> None:
    (tree / "file").write_text("x")
    for i in range(1, NAMES):
        os.link(tree / "file", tree / f"name{i}")


@dataclass
class Watched:
    """A root with 3 layers left of 5, the exporter that looks at it, and the Prometheus that asks it."""

    folder: Path
    root: PlantedRoot
    server: Prometheus
    exporter: Served
    running: ExitStack = field(default_factory=ExitStack)

    def start(self, *words: str) -> None:
        """Start an exporter, and tell Prometheus where it is now. `words`: instead of the root."""
        self.exporter = start(self.running, self.folder, *words)

    def stop(self) -> None:
        self.running.close()

    def firing(self, name: str) -> bool:
        return any(a["state"] == "firing" for a in self.server.alerts(name))

    def await_alert(self, name: str) -> None:
        self.server.await_that(lambda: self.firing(name))

    def await_none(self, name: str) -> None:
        self.server.await_that(lambda: not self.server.alerts(name))


def start(running: ExitStack, folder: Path, *words: str) -> Served:
    config = f"--config.file={folder / 'config.yml'}"
    exporter = running.enter_context(served(folder, config, *(words or [str(folder / "docker")])))
    often = {"__scrape_interval__": "1s", "__scrape_timeout__": "1s"}
    hosts = [{"targets": [f"127.0.0.1:{exporter.port}"], "labels": {"instance": "b1"} | often}]
    (folder / "hosts.new").write_text(json.dumps(hosts))
    (folder / "hosts.new").rename(folder / "prometheus/hosts.yml")
    return exporter


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    root = PlantedRoot(folder / "docker")
    diffs = root.layer(root.layer((), base), lambda tree: (tree / "more").touch())
    root.image(diffs, "shop:1.4")
    chain: tuple[str, ...] = ()
    for _ in range(DEEP):
        chain = root.layer(chain, lambda _: None)
    root.image(chain, "deep:1")
    (folder / "config.yml").write_text(CONFIG.replace("ROOT", str(root.path)))
    made = folder / "prometheus"
    made.mkdir()
    (made / "alertmanagers.yml").write_text("[]")
    words = [sys.executable, "-m", "exporter", "rules", f"--config.file={folder / 'config.yml'}"]
    (made / "rules.yml").write_bytes(subprocess.check_output(words))
    with ExitStack() as running:
        exporter = start(running, folder)
        with prometheus(made, (EXAMPLE / "prometheus.yml").read_text()) as server:
            found = Watched(folder, root, server, exporter, running)
            found.await_alert("HardlinkLayersLeftLow")
            yield found


@pytest.fixture
def never_silent(watched: Watched) -> Iterator[None]:
    """See that the alert about few layers left fired at each second of the test, with one figure."""
    watched.await_alert("HardlinkLayersLeftLow")
    begun = time.time()
    yield
    watched.await_alert("HardlinkLayersLeftLow")
    ended = time.time()
    labels = 'alertname="HardlinkLayersLeftLow",severity="critical",alertstate="firing"'
    (fired,) = watched.server.range(f"ALERTS{{{labels}}}", begun, ended, 1)
    assert len(fired.points) == int(ended - begun) + 1
    held = 'instance_root:hardlink_layers_left:held{resource="links"}'
    (figure,) = watched.server.range(held, begun, ended, 1)
    assert {value for _, value in figure.points} == {3.0}


def workers(exporter: Served) -> list[int]:
    """The exporter's worker processes."""
    threads = Path(f"/proc/{exporter.process.pid}/task").iterdir()
    return [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]


def test_while_the_exporter_is_down_and_when_it_is_back(
    watched: Watched, never_silent: None
) -> None:
    watched.stop()
    watched.await_alert("HardlinkExporterDown")
    (low,) = (
        a
        for a in watched.server.alerts("HardlinkLayersLeftLow")
        if a["labels"]["severity"] == "critical"
    )
    assert "Images concerned: shop:1.4 (3 left)." in low["annotations"]["description"]
    watched.start()
    watched.await_none("HardlinkExporterDown")


def test_while_the_root_is_gone_and_when_it_is_back(watched: Watched, never_silent: None) -> None:
    watched.root.path.rename(watched.folder / "away")
    try:
        watched.await_alert("HardlinkRootDown")
    finally:
        (watched.folder / "away").rename(watched.root.path)
    watched.await_none("HardlinkRootDown")


def test_while_the_exporter_finds_no_root_and_when_it_does(
    watched: Watched, never_silent: None
) -> None:
    nothing = watched.folder / "nothing"
    nothing.mkdir()
    watched.stop()
    watched.start(f"--path.rootfs={nothing}")
    try:
        watched.await_alert("HardlinkRootDown")
        (alert,) = watched.server.alerts("HardlinkRootDown")
        assert alert["annotations"]["description"].startswith("The exporter on b1 has found no ")
    finally:
        watched.stop()
        watched.start()
    watched.await_none("HardlinkRootDown")


@pytest.mark.root
@pytest.mark.alone
def test_while_the_kernel_refuses_the_watch_and_when_it_grants_it(
    watched: Watched, never_silent: None
) -> None:
    watched.stop()
    with setting("max_user_instances", "0"):
        watched.start()
        watched.await_alert("HardlinkWatchLost")
    watched.await_none("HardlinkWatchLost")


def test_that_an_image_is_nearly_too_deep_is_told_too(watched: Watched, never_silent: None) -> None:
    watched.await_alert("HardlinkLayerDepthNearLimit")
    (alert,) = watched.server.alerts("HardlinkLayerDepthNearLimit")
    assert "has 120 layers; 5 more and the engine" in alert["annotations"]["description"]


def test_while_the_worker_hangs_and_when_it_goes_on(watched: Watched, never_silent: None) -> None:
    hung = workers(watched.exporter)
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        watched.await_alert("HardlinkScanStale")
    finally:
        for pid in hung:
            os.kill(pid, signal.SIGCONT)
    watched.await_none("HardlinkScanStale")


def test_while_a_layer_cannot_be_told_and_when_it_can(watched: Watched, never_silent: None) -> None:
    def is_named() -> bool:
        told = watched.server.alerts("HardlinkScanIncomplete")
        return any("problems lineage (1)" in one["annotations"]["description"] for one in told)

    broken = watched.root.image_home / "layerdb/sha256" / ("b" * 64)
    broken.mkdir()
    try:
        watched.await_alert("HardlinkScanIncomplete")  # perhaps by a count that goes on still
        watched.server.await_that(is_named)
    finally:
        broken.rmdir()
    watched.await_none("HardlinkScanIncomplete")
