"""The whole chain for tests, nothing mocked: engine, exporter, Prometheus, Alertmanager, a reader.

The engine has the overlay (v1) driver on ext4 and a base image whose one file has 2,000 names:
31 layers fit on it. Prometheus and Alertmanager run with the files of `deploy/` as they are; only
addresses are given in the files that these name, and rules are made by `hardlink-exporter rules`
with short times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alertmanager import Alertmanager, Chat, alertmanager, chat
from engine import Engine, engine, tar, tar_of
from prometheus import Prometheus, prometheus
from serving import Served, served

EXAMPLE = Path(__file__).parent.parent / "deploy/prometheus"

HOST = "build1"
"""The instance label of the engine's host."""

NAMES = 2000
FIT = 65_000 // NAMES - 1
"""How many layers fit on the base, on ext4."""

CONFIG = """\
alerts:
  interval: 1s
  hold: 1m
  keep_firing_for: 2s
  warning_for: 2s
  critical_for: 2s
  exhausted_for: 2s
  filling_up_window: 2m
  filling_up_ahead: 5m
  filling_up_steady: 20s
  filling_up_for: 2s
  layer_failed_window: 1m
  layer_failed_for: 1s
  depth_for: 2s
  root_down_for: 2s
  stale_for: 2s
  incomplete_for: 2s
  watch_lost_for: 2s
  exporter_down_for: 10s
  deprecated_for: 2s
"""
"""The exporter's configuration: a day's patience in seconds."""


@dataclass(frozen=True)
class Stack:
    """All that runs. `base` is the archive of the base image's only layer."""

    engine: Engine
    exporter: Served
    prometheus: Prometheus
    alertmanager: Alertmanager
    chat: Chat
    base: bytes

    @property
    def root(self) -> str:
        """The storage root, as labels have it."""
        return str(self.engine.root)

    def load(self, tag: str, count: int) -> None:
        """Load an image of the base and `count` layers; layers that are there already cost nothing."""
        layers = [tar({f"layer{i:02}": b"x"}) for i in range(count)]
        said = self.engine.load([self.base, *layers], tag)
        assert "Loaded image" in said, said

    def await_left(self, count: int) -> None:
        """Wait until Prometheus has it that so many layers are left by links."""
        query = 'hardlink_layers_left{resource="links"}'
        self.prometheus.await_that(
            lambda: [one.value for one in self.prometheus.instant(query)] == [count]
        )


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Run everything until the block ends. Prometheus has figures of the base image when it begins."""
    config = folder / "config.yml"
    config.write_text(CONFIG)
    base = _base(folder / "base")
    with (
        engine(_made(folder / "engine"), "overlay") as docker,
        chat() as heard,
        alertmanager(_made(folder / "alertmanager"), heard) as manager,
        served(_made(folder / "exporter"), f"--config.file={config}", str(docker.root)) as exporter,
        prometheus(
            _prometheus_folder(folder / "prometheus", config, exporter, manager),
            (EXAMPLE / "prometheus.yml").read_text(),
        ) as server,
    ):
        running = Stack(docker, exporter, server, manager, heard, base)
        running.load("base:1", 0)
        running.await_left(FIT)
        yield running


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _base(tree: Path) -> bytes:
    """Pack a folder in which one file has 2,000 names."""
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/busybox").write_text("#!")
    for i in range(1, NAMES):
        os.link(tree / "bin/busybox", tree / f"bin/applet{i:04}")
    return tar_of(tree)


def _prometheus_folder(folder: Path, config: Path, exporter: Served, manager: Alertmanager) -> Path:
    """Put the rules and the addresses beside the configuration that names them."""
    folder.mkdir()
    (folder / "rules.yml").write_bytes(
        subprocess.check_output(
            [sys.executable, "-m", "exporter", "rules", f"--config.file={config}"]
        )
    )
    often = {"__scrape_interval__": "1s", "__scrape_timeout__": "1s"}
    hosts = [
        {"targets": [f"127.0.0.1:{exporter.port}"], "labels": {"instance": HOST} | often},
    ]
    (folder / "hosts.yml").write_text(json.dumps(hosts))
    managers = [{"targets": [f"127.0.0.1:{manager.port}"]}]
    (folder / "alertmanagers.yml").write_text(json.dumps(managers))
    return folder
