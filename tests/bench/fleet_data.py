"""The simulated fleet: each host tells what a real exporter told, with figures of its own."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from prometheus_client.parser import text_string_to_metric_families
from serving import Served, served

from exporter.config import Config
from exporter.demo.planted import PlantedRoot

JOB: Final = Config().alerts.job
LEVELS: Final = Config().thresholds

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Told:
    """One sample that a real exporter told."""

    name: str
    labels: Labels
    value: float


@dataclass(frozen=True)
class FullHost:
    """What a real host told: the text of /metrics, its size in bytes as it is and by gzip."""

    text: str
    gzipped: int

    @property
    def samples(self) -> list[Told]:
        return [
            Told(s.name, tuple(sorted(s.labels.items())), s.value)
            for family in text_string_to_metric_families(self.text)
            for s in family.samples
        ]


def full_host(driver: str) -> FullHost:
    """Ask a real exporter about a root with a dozen tagged images, which names as many as it may."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        root = PlantedRoot(Path(folder) / "var/lib/docker", driver)
        diffs = root.layer((), lambda tree: (tree / "base").write_text("base\n"))
        for n in range(12):
            diffs = root.layer(diffs, lambda tree, n=n: (tree / f"{n}").write_text("step\n"))  # type: ignore[misc]
            root.image(diffs, f"registry.example/team/application-{n}:1.0")
        with served(Path(folder), f"--path.rootfs={folder}", "/var/lib/docker") as daemon:
            daemon.await_that(lambda: daemon.metric("hardlink_scan_coverage_ratio") == 1)
            return _asked(daemon)


def _asked(daemon: Served) -> FullHost:
    text = daemon.get("/metrics").text
    return FullHost(text, len(daemon.get("/metrics", **{"Accept-Encoding": "gzip"}).body))


@dataclass(frozen=True)
class Host:
    """One host of the fleet: layers left at the end, layers spent at each step, and its troubles."""

    name: str
    driver: str
    left: int
    spent: float
    down: bool
    incomplete: bool
    stale: bool
    failing: bool

    def left_at(self, steps_to_go: int) -> int:
        """Rest for the last two steps: rules are worked out between steps, and see the one before."""
        return self.left + math.ceil(self.spent * max(0, steps_to_go - 2))


def hosts(count: int) -> list[Host]:
    """Make up a fleet: one host in 200 has nothing left, one in 20 fewer than the alerts' threshold."""
    dice = random.Random(4)  # noqa: S311

    def left(n: int) -> int:
        if n % 200 == 0:
            return 0
        if n % 20 == 0:
            return dice.randrange(1, LEVELS.warning)
        return round(10 ** dice.uniform(1.5, 4.5))

    return [
        Host(
            name=f"host{n:05}.example:10650",
            driver="overlay2" if n % 4 == 3 else "overlay",
            left=left(n),
            spent=dice.choice((0, 0.1, 0.5)),
            down=n % 400 == 1,
            incomplete=n % 100 == 2,
            stale=n % 500 == 5,
            failing=n % 50 == 0,
        )
        for n in range(count)
    ]


def write_fleet(
    file: TextIO, fleet: Iterable[Host], told: dict[str, list[Told]], times: range
) -> int:
    """Write what all hosts told at these times, as OpenMetrics; give the number of series."""
    series = 0
    for host in fleet:
        every = [*told[host.driver], Told("up", (), 0 if host.down else 1)]
        for one in every:
            if host.down and one.name != "up":
                continue
            labels = (("instance", host.name), ("job", JOB), *one.labels)
            _write(file, one.name, labels, _values(host, one, times))
            series += 1
        for labels, values in _alerts(host, times):
            _write(file, "ALERTS", labels, values)
            series += 1
    file.write("# EOF\n")
    return series


def _values(host: Host, told: Told, times: range) -> Iterator[tuple[int, float]]:
    labels = dict(told.labels)
    for i, t in enumerate(times):
        value = told.value
        if told.name == "hardlink_layers_left" and labels["resource"] == "links":
            value = host.left_at(len(times) - 1 - i)
        elif told.name == "hardlink_scan_timestamp_seconds":
            value = times[0] - 3600 if host.stale else t - 5
        elif told.name == "hardlink_scan_coverage_ratio" and host.incomplete:
            value = 0.9
        elif told.name == "hardlink_failed_layers_total" and host.failing:
            value = i
        yield t, value


def _alerts(host: Host, times: range) -> Iterator[tuple[Labels, list[tuple[int, float]]]]:
    """What the alerts on layers left and on the driver would be on this host."""
    if host.driver != "overlay" or host.down:
        return
    left = [(t, host.left_at(len(times) - 1 - i)) for i, t in enumerate(times)]
    for name, severity, firing in (
        ("HardlinkDeprecatedDriver", "info", left),
        ("HardlinkLayersLeftLow", "warning", [x for x in left if x[1] < LEVELS.warning]),
        ("HardlinkLayersLeftLow", "critical", [x for x in left if x[1] < LEVELS.critical]),
        ("HardlinkExhausted", "critical", [x for x in left if x[1] == 0]),
    ):
        if firing:
            yield (
                (
                    ("alertname", name),
                    ("alertstate", "firing"),
                    ("driver", host.driver),
                    ("instance", host.name),
                    ("job", JOB),
                    ("root", "/var/lib/docker"),
                    ("severity", severity),
                ),
                [(t, 1) for t, _ in firing],
            )


def _write(file: TextIO, name: str, labels: Labels, values: Iterable[tuple[int, float]]) -> None:
    written = ",".join(f'{label}="{value}"' for label, value in sorted(labels))
    file.writelines(f"{name}{{{written}}} {value:.15g} {t}\n" for t, value in values)
