"""How much of a host the daemon takes, and how soon it tells: measured from outside."""

from __future__ import annotations

import gzip
import http.client
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from serving import Served


@dataclass(frozen=True)
class Spent:
    """Wall and processor seconds."""

    wall: float
    cpu: float


def processes(daemon: Served) -> list[int]:
    """The daemon's process and its workers."""
    tasks = Path(f"/proc/{daemon.process.pid}/task").glob("*/children")
    below = [int(pid) for task in tasks for pid in task.read_text().split()]
    return [daemon.process.pid, *below]


def cpu_seconds(daemon: Served) -> float:
    """Sum up the processor time of all its processes so far, to the nanosecond.

    Each process has a clock of its own (include/linux/posix-timers.h: CPUCLOCK_SCHED).
    """
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in processes(daemon))


def memory_mb(daemon: Served) -> float:
    """Sum up the proportional set size of all its processes, in megabytes."""
    kilobytes = 0
    for pid in processes(daemon):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if found := re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE):
            kilobytes += int(found[1])
    return kilobytes / 1000


@dataclass
class Peak:
    """The most memory seen, in megabytes."""

    mb: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)


@contextmanager
def peak_memory(daemon: Served) -> Iterator[Peak]:
    """Look at the memory again and again until the block ends."""
    peak = Peak()

    def watch() -> None:
        while not peak.done.wait(0.1):
            peak.mb = max(peak.mb, memory_mb(daemon))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        peak.done.set()
        thread.join()


class Scraper:
    """Scrapes as Prometheus does: one connection, kept open, gzip."""

    def __init__(self, daemon: Served) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
        self.seconds: list[float] = []

    def scrape(self) -> bytes:
        """Scrape once, and note how long it took."""
        began = time.perf_counter()
        self._connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        body = self._connection.getresponse().read()
        self.seconds.append(time.perf_counter() - began)
        return gzip.decompress(body)

    def value(self, pattern: str) -> float | None:
        """Scrape, and give the value of the first sample whose line matches."""
        found = re.search(rf"^{pattern} (\S+)$", self.scrape().decode(), re.MULTILINE)
        return float(found[1]) if found else None

    def quantile(self, percent: int) -> float:
        """The time within which so many per cent of the scrapes were answered."""
        return statistics.quantiles(self.seconds, n=100)[percent - 1]


def scrape_until(scraper: Scraper, done: Callable[[Scraper], bool], seconds: float) -> float:
    """Scrape again and again until that is true; give the time it took."""
    began = time.monotonic()
    while not done(scraper):
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.02)
    return time.monotonic() - began


def idle(daemon: Served, seconds: float) -> Spent:
    """Leave the daemon alone, and give what it spent meanwhile."""
    before, began = cpu_seconds(daemon), time.monotonic()
    time.sleep(seconds)
    return Spent(time.monotonic() - began, cpu_seconds(daemon) - before)
