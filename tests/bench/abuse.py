"""What a good client notices of bad ones: a scrape under abuse beside one at rest.

    python tests/bench/abuse.py            print the tables
    python tests/bench/abuse.py --write    and keep them in tests/bench/abuse.md

Plain text and TLS, each on a demo-sized root. A scrape is a new connection, with its handshake.
"""

from __future__ import annotations

import argparse
import os
import platform
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from attacks import ATTACKS, Attack, Crowd, Target, memory_of, sockets_of, under
from serving import Served
from webtargets import target_of

from exporter.demo.planted import PlantedRoot

PAGE = Path(__file__).parent / "abuse.md"
BEGIN, END = "<!-- table begins -->", "<!-- table ends -->"
SCRAPES = 40
RESTING = 20


@dataclass(frozen=True)
class Seen:
    """Seconds of good scrapes, and what the daemon held at most; seconds until all was closed.

    `rest` is the median right before.
    """

    rest: float
    median: float
    most: float
    refused: int
    memory: float
    sockets: int
    closed: float


def at_rest(target: Target) -> float:
    seconds = []
    for _ in range(RESTING):
        seconds.append(target.scrape()[1])
        time.sleep(0.05)
    return statistics.median(seconds)


def watch(daemon: Served, target: Target, base: int, crowd: Crowd, rest: float) -> Seen:
    pid, seconds, refused, memory, sockets = daemon.process.pid, [], 0, 0.0, 0
    for _ in range(SCRAPES):
        status, took = target.scrape()
        seconds.append(took)
        refused += status != 200
        memory = max(memory, memory_of(pid))
        sockets = max(sockets, sockets_of(pid))
        time.sleep(0.05)
    crowd.quiet.set()
    began = time.monotonic()
    while sockets_of(pid) > base and time.monotonic() - began < 60:
        time.sleep(0.1)
    closed = time.monotonic() - began
    return Seen(rest, statistics.median(seconds), max(seconds), refused, memory, sockets, closed)


def measure(daemon: Served, target: Target, attacks: list[Attack]) -> Iterator[tuple[str, Seen]]:
    time.sleep(2)
    base = sockets_of(daemon.process.pid)
    for attack in attacks:
        rest = at_rest(target)
        with under(attack, target) as crowd:
            yield f"{attack.clients} {attack.name}", watch(daemon, target, base, crowd, rest)


@contextmanager
def daemon_of(folder: Path, *, tls: bool) -> Iterator[tuple[Served, Target]]:
    root = PlantedRoot(folder / "docker")
    root.image(root.layer((), lambda t: (t / "file").touch()), "base:1")
    with target_of(folder, root.path, tls=tls) as both:
        yield both


def table(rows: list[tuple[str, Seen]]) -> str:
    lines = [
        "| bad clients | scrape at rest | amid them | ratio | slowest | not 200 | memory, most"
        " | sockets, most | all closed after |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, s in rows:
        lines.append(
            f"| {name} | {s.rest * 1000:.1f} ms | {s.median * 1000:.1f} ms"
            f" | {s.median / s.rest:.1f} | {s.most * 1000:.0f} ms | {s.refused} of {SCRAPES}"
            f" | {s.memory:.0f} MB | {s.sockets} | {s.closed:.1f} s |"
        )
    return "\n".join(lines)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--write", action="store_true", help="keep the tables in abuse.md here")
    given = words.parse_args()
    parts = [
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores, Linux"
        f" {platform.release().split('-')[0]}, Python {platform.python_version()},"
        f" {ssl.OPENSSL_VERSION}."
    ]
    for tls in (False, True):
        with tempfile.TemporaryDirectory() as place, daemon_of(Path(place), tls=tls) as (d, target):
            attacks = [a for a in ATTACKS if tls or not a.only_tls]
            rows = []
            for row in measure(d, target, attacks):
                rows.append(row)
                print(*row, file=sys.stderr, flush=True)
        parts += ["## With TLS" if tls else "## Plain text", table(rows)]
    text = "\n\n".join(parts)
    print(text)
    if given.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
