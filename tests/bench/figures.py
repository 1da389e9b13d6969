"""The figures of a pass and of the daemon on large roots, beside `find` and a bare C walker.

    python tests/bench/figures.py                  both shapes at 1 and at 10 million names
    python tests/bench/figures.py --names 1000000  one size
    python tests/bench/figures.py --write          and keep the table in tests/bench/README.md

Needs root, `cc`, and some 20 GB below --folder for ten million names: the roots lie on an
ext4 of their own. All that is compared is measured in one run, side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from disks import disk
from neighbour import (
    Scraper,
    cpu_seconds,
    idle,
    memory_mb,
    peak_memory,
    scrape_until,
)
from removal import remove_layer
from roots import LargeRoot, Shape, broad, deep, tree_program
from serving import Served, served

HERE = Path(__file__).parent
BEGIN, END = "<!-- table begins -->", "<!-- table ends -->"


@dataclass(frozen=True)
class Passes:
    """Seconds for one root with caches as they were."""

    find: float
    c_walker: float
    first: float
    complete: float


@dataclass(frozen=True)
class Daemon:
    """Seconds, megabytes and processor seconds of the daemon on one root."""

    scrape_passing: float
    memory_passing: float
    scrape_idle: float
    memory_settled: float
    idle_cpu: float
    added: float
    added_cpu: float
    removed: float
    removed_cpu: float


@dataclass(frozen=True)
class Result:
    """All that was measured on one root; `cold` is None where only warm caches were wanted."""

    shape: str
    names: int
    inodes: int
    cold: Passes | None
    warm: Passes
    daemon: Daemon


def drop_caches() -> None:
    """Make the kernel forget what it knows of all disks."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def seconds_of(words: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def our_pass(root: Path) -> dict[str, float]:
    words = [sys.executable, str(HERE / "one_pass.py"), str(root), str(time.monotonic())]
    found: dict[str, float] = json.loads(subprocess.check_output(words))
    return found


def passes(root: LargeRoot, program: Path, runs: int, prepare: Callable[[], None]) -> Passes:
    """Time one walk of each kind, the quick ones a few times; `prepare` is done before each."""
    home = str(root.home)
    prepare()
    find = seconds_of(["find", home, "-links", "+60000"])
    prepare()
    walker = seconds_of([str(program), "count", home])
    ours = []
    for _ in range(runs):
        prepare()
        ours.append(our_pass(root.path))
    first, complete = (statistics.median(run[k] for run in ours) for k in ("first", "complete"))
    return Passes(find, walker, first, complete)


def daemon_figures(root: LargeRoot, folder: Path, idle_seconds: float) -> Daemon:
    """Run the daemon on a root, and see it work and rest."""
    with served(folder, str(root.path)) as daemon:
        passing = Scraper(daemon)
        with peak_memory(daemon) as peak:
            scrape_until(passing, lambda s: s.value(COVERAGE) == 1, 1800)
        time.sleep(3)  # it has looked again by then
        resting = Scraper(daemon)
        for _ in range(300):
            resting.scrape()
            time.sleep(0.02)
        spent = idle(daemon, idle_seconds)
        settled = memory_mb(daemon)
        times = {}
        for what in ("plain", "cpu"):
            times[what] = _come_and_go(daemon, root, scraping=what == "plain")
        return Daemon(
            scrape_passing=passing.quantile(99),
            memory_passing=peak.mb,
            scrape_idle=resting.quantile(99),
            memory_settled=settled,
            idle_cpu=spent.cpu / spent.wall,
            added=times["plain"][0],
            added_cpu=times["cpu"][0],
            removed=times["plain"][1],
            removed_cpu=times["cpu"][1],
        )


COVERAGE = r"hardlink_scan_coverage_ratio\{.*\}"
LAYERS = r'hardlink_layers\{.*kind="image".*\}'


def _come_and_go(daemon: Served, root: LargeRoot, *, scraping: bool) -> tuple[float, float]:
    """Add a layer and remove it: how soon that is told; or, without scrapes, the processor time."""
    scraper = Scraper(daemon)
    before = scraper.value(LAYERS) or 0
    found = []
    chain: tuple[str, ...] = ()
    for change in (1, 0):
        cpu = cpu_seconds(daemon)
        if change:
            chain = root.layer(root.last, root.step)
        else:
            remove_layer(root, chain)
        wanted = before + change
        if scraping:
            found.append(scrape_until(scraper, lambda s, n=wanted: s.value(LAYERS) == n, 60))  # type: ignore[misc]
        else:
            time.sleep(5)
            found.append(cpu_seconds(daemon) - cpu)
    return found[0], found[1]


@contextmanager
def ground(folder: Path, names: int) -> Iterator[Path]:
    """An ext4 of its own that is large enough."""
    megabytes, inodes = 2000 + names // 600, 200_000 + names // 5
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        disk(Path(place), f"{megabytes}M", ["mkfs.ext4", "-q", "-N", str(inodes)]) as point,
    ):
        yield point


def measure(
    shape: Shape, folder: Path, program: Path, idle_seconds: float, *, cold_too: bool
) -> Result:
    """Build one root, and measure everything on it."""
    with ground(folder, shape.layers * shape.names) as point:
        root = LargeRoot(point / "docker", shape, program)
        root.build()
        names = int(subprocess.check_output([str(program), "count", str(root.home)]))
        inodes = os.statvfs(point).f_files - os.statvfs(point).f_ffree
        cold = passes(root, program, 1, drop_caches) if cold_too else None
        seconds_of(["find", str(root.home), "-links", "+60000"])
        warm = passes(root, program, 3, lambda: None)
        if cold_too:
            drop_caches()
        with tempfile.TemporaryDirectory() as place:
            daemon = daemon_figures(root, Path(place), idle_seconds)
        return Result(shape.word, names, inodes, cold, warm, daemon)


def table(results: list[Result]) -> str:
    """Put the figures into a table, a column a root."""
    heads = [f"{r.shape}, {r.names / 1e6:.1f} M names" for r in results]
    rows: list[tuple[str, list[str]]] = []
    for caches in ("cold", "warm") if all(result.cold for result in results) else ("warm",):
        for key, word in (
            ("find", "`find -links +60000`"),
            ("c_walker", "C walker"),
            ("first", "first answer"),
            ("complete", "complete"),
        ):
            cells = []
            for result in results:
                of = asdict(getattr(result, caches))
                ratio = f" (1/{of['find'] / of[key]:.0f} of find)" if key in FIGURES else ""
                cells.append(f"{of[key]:.2f} s{ratio}")
            rows.append((f"{word}, {caches}", cells))
    for key, word, form in DAEMON:
        rows.append((word, [form(getattr(r.daemon, key)) for r in results]))
    rows.append(("inodes on the disk", [f"{r.inodes:,}" for r in results]))
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|"]
    lines += [f"| {word} | " + " | ".join(cells) + " |" for word, cells in rows]
    return "\n".join(lines)


FIGURES = ("first", "complete")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s"


def _mb(megabytes: float) -> str:
    return f"{megabytes:.0f} MB"


def _percent(part: float) -> str:
    return f"{part * 100:.2f} %"


DAEMON = (
    ("scrape_passing", "scrape during the first pass, p99", _ms),
    ("scrape_idle", "scrape at rest, p99", _ms),
    ("memory_passing", "memory (PSS) during the first pass, most", _mb),
    ("memory_settled", "memory (PSS) settled", _mb),
    ("idle_cpu", "processor, nothing changes", _percent),
    ("added", "a new layer is in `/metrics` after", _s),
    ("added_cpu", "processor time of that", _ms),
    ("removed", "its removal is in `/metrics` after", _s),
    ("removed_cpu", "processor time of that", _ms),
)


def machine() -> str:
    """Describe where this was measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores, {memory:.0f} GiB, Linux"
        f" {platform.release().split('-')[0]}, Python {platform.python_version()},"
        " ext4 on a loop device."
    )


def write(text: str) -> None:
    """Keep the last table beside this file."""
    page = HERE / "README.md"
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--names", type=int, action="append", help="names in all (repeatable)")
    words.add_argument("--shape", choices=["deep", "broad"], action="append")
    words.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where the disks lie")
    words.add_argument("--idle", type=float, default=60, help="seconds of rest that are measured")
    words.add_argument("--warm", action="store_true", help="leave out what needs cold caches")
    words.add_argument("--json", action="store_true", help="print the figures as JSON")
    words.add_argument("--write", action="store_true", help="keep the table in README.md here")
    given = words.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as place:
        program = tree_program(Path(place))
        for names in given.names or [1_000_000, 10_000_000]:
            for shape in (deep(names), broad(names)):
                if shape.word in (given.shape or ["deep", "broad"]):
                    results.append(
                        measure(shape, given.folder, program, given.idle, cold_too=not given.warm)
                    )
                    print(table(results[-1:]), file=sys.stderr, flush=True)
    if given.json:
        print(json.dumps([asdict(result) for result in results]))
    else:
        print(machine(), table(results), sep="\n\n")
    if given.write:
        write(f"{machine()}\n\n{table(results)}")


if __name__ == "__main__":
    main()
