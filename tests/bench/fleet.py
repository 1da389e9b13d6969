"""How fast the panels of the fleet's dashboard answer, for many hosts.

    python tests/bench/fleet.py                 2,000 hosts, six hours at steps of four minutes
    python tests/bench/fleet.py --hosts 10000   another number
    python tests/bench/fleet.py --write         and keep the table in grafana/README.md

Two real exporters (one root of each driver) are asked once; what they told is written for each host,
with figures of its own, by promtool's block writer; the recording rules are worked out over it by
promtool too. Then a real Prometheus is asked what Grafana would ask. Needs Prometheus with promtool
and 2 GB below --folder for 2,000 hosts.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path += [str(Path(__file__).parents[1])]

from dashboardlint import selectors
from dashboards import ALL, FLEET, Chosen, Query, answer, queries
from fleet_data import LEVELS, FullHost, Host, full_host, hosts, write_fleet
from prometheus import Prometheus, prometheus, promtool

from exporter.config import parse_config
from exporter.rules.nouns import Group, Record
from exporter.rules.recording import recording_groups
from exporter.rules.render import to_yaml

README: Final = Path(__file__).parents[2] / "grafana/README.md"
BEGIN, END = "<!-- table begins -->", "<!-- table ends -->"

STEP: Final = 240
HOURS: Final = 6
RUNS: Final = 5
CONFIG: Final = parse_config(f"alerts: {{interval: {STEP}s}}".encode(), "bench")


@dataclass(frozen=True)
class Measured:
    """One panel: its queries, the series they gave, and seconds for all of them, first and middle."""

    title: str
    queries: int
    series: int
    first: float
    median: float


def recorded() -> list[Record]:
    return [
        rule
        for group in recording_groups(CONFIG)
        for rule in group.rules
        if isinstance(rule, Record)
    ]


def make_blocks(folder: Path, fleet: list[Host], told: dict[str, FullHost], times: range) -> int:
    """Write what the rules read into blocks of Prometheus, and give the number of series."""
    read = {s.name for rule in recorded() for s in selectors(rule.expr)}
    of_rules = {
        driver: [s for s in host.samples if s.name in read] for driver, host in told.items()
    }
    text = folder / "fleet.om"
    with text.open("w") as file:
        series = write_fleet(file, fleet, of_rules, times)
    promtool("tsdb", "create-blocks-from", "openmetrics", "--quiet", text, folder / "tsdb")
    text.unlink()
    return series


def record(folder: Path, times: range) -> None:
    """Work the recording rules out over all times; those that read records come second."""
    names = {rule.name for rule in recorded()}
    later = [r for r in recorded() if {s.name for s in selectors(r.expr)} & names]
    sooner = [r for r in recorded() if r not in later]
    for rules in (sooner, later):
        file = folder / "rules.yml"
        file.write_text(to_yaml([Group("fleet", tuple(rules), CONFIG.alerts.interval)]))
        with started(folder) as server:
            promtool(
                *("tsdb", "create-blocks-from", "rules", "--quiet"),
                *(f"--url=http://127.0.0.1:{server.port}", f"--output-dir={folder / 'tsdb'}"),
                *(f"--start={times[0]}", f"--end={times[-1]}", file),
            )


def started(folder: Path) -> AbstractContextManager[Prometheus]:
    return prometheus(folder, "global: {}\n", "--storage.tsdb.retention.time=10y")


def measure(server: Prometheus, now: float) -> list[Measured]:
    """Ask the queries of each panel and of the marks in time, one after the other, a few times."""
    chosen = Chosen({"job": (ALL,)}, seconds=HOURS * 3600, step=STEP)
    titles = dict.fromkeys(query.title for query in queries(FLEET))
    return [_measured(server, title, chosen, now) for title in titles]


def _measured(server: Prometheus, title: str, chosen: Chosen, now: float) -> Measured:
    asked = [query for query in queries(FLEET) if query.title == title]
    taken, series = [], 0
    for _ in range(RUNS):
        began = time.perf_counter()
        series = sum(_answers(server, query, chosen, now) for query in asked)
        taken.append(time.perf_counter() - began)
    return Measured(title, len(asked), series, taken[0], statistics.median(taken))


def _answers(server: Prometheus, query: Query, chosen: Chosen, now: float) -> int:
    found = answer(server, query, chosen, now)
    assert found, f"no answer: {query}"
    return len(found)


def check(server: Prometheus, fleet: list[Host], now: float) -> None:
    """Hold what the panels say to what the hosts are."""
    up = [host for host in fleet if not host.down]
    trees = [host for host in up if host.driver == "overlay"]
    expected = {
        "sum(job:hardlink_exporters:count)": len(fleet),
        "sum(job:hardlink_exporters_down:sum)": len(fleet) - len(up),
        "sum(job:hardlink_roots:count)": len(up),
        "sum(job:hardlink_roots_incomplete:sum)": sum(host.incomplete for host in up),
        "sum(job:hardlink_roots_stale:sum)": sum(host.stale for host in up),
        'sum(job:hardlink_roots_below:sum{threshold="exhausted"})': sum(
            host.left == 0 for host in trees
        ),
        'sum(job:hardlink_roots_below:sum{threshold="warning"})': sum(
            host.left < LEVELS.warning for host in trees
        ),
        "count(instance_root:hardlink_layers_left:bottomk20)": min(20, len(trees)),
    }
    found = {query: server.instant(query, now)[0].value for query in expected}
    assert found == expected, (found, expected)


def rules_once(server: Prometheus, now: float) -> float:
    """The seconds of one evaluation of all recording rules of the fleet."""
    began = time.perf_counter()
    for rule in recorded():
        assert server.instant(rule.expr, now), rule.name
    return time.perf_counter() - began


def table(rows: list[Measured]) -> str:
    """The figures as Markdown."""
    head = "| panel | queries | series | first, ms | median of 5, ms |\n|---|--:|--:|--:|--:|\n"
    return head + "".join(
        f"| {r.title} | {r.queries} | {r.series} | {r.first * 1000:.0f} | {r.median * 1000:.0f} |\n"
        for r in rows
    )


def host_words(told: dict[str, FullHost]) -> str:
    """Say how much one full host tells."""
    return "; ".join(
        f"`{driver}`: {len(host.samples)} series, of which"
        f" {sum(s.name.startswith('hardlink_') for s in host.samples)} are ours, in"
        f" {len(host.text.encode()):,} bytes ({host.gzipped:,} by gzip)"
        for driver, host in told.items()
    )


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--hosts", type=int, default=2000)
    reader.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    reader.add_argument("--write", action="store_true", help="keep the table in grafana/README.md")
    asked = reader.parse_args()
    end = int(time.time()) // STEP * STEP
    times = range(end - HOURS * 3600, end + 1, STEP)
    fleet = hosts(asked.hosts)
    told = {driver: full_host(driver) for driver in ("overlay", "overlay2")}
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        began = time.monotonic()
        series = make_blocks(folder, fleet, told, times)
        record(folder, times)
        print(f"made in {time.monotonic() - began:.0f} s", file=sys.stderr)
        with started(folder) as server:
            rows = measure(server, end)
            check(server, fleet, end)
            once = rules_once(server, end)
    slowest = max(row.first for row in rows)
    said = (
        f"{asked.hosts:,} hosts, {series:,} series that the recording rules read,"
        f" {len(times)} steps of {STEP} s; {platform.machine()}, {os.cpu_count()} cores.\n"
        f"One full host, all it tells: {host_words(told)}.\n"
        f"All recording rules of the fleet once: {once:.1f} s. The slowest panel: {slowest * 1000:.0f} ms.\n\n"
        f"{table(rows)}"
    )
    print(said)
    if asked.write:
        before, _, rest = README.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        README.write_text(f"{before}{BEGIN}\n{said}{END}{after}")
    sys.exit(f"a panel took {slowest:.1f} s" if slowest >= 1 else 0)


if __name__ == "__main__":
    main()
