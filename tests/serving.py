"""A real daemon for tests: a process, a port on loopback, signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ending import end
from needs import PATIENCE


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Served:
    """A running daemon. `log` is the file that takes its stderr."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return Answer(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def report(self) -> list[dict[str, Any]]:
        roots: list[dict[str, Any]] = json.loads(self.get("/api/v1/report").body)["roots"]
        return roots

    def metric(self, line: str) -> float | None:
        """The value of the metric whose line begins so, or None."""
        for said in self.get("/metrics").text.splitlines():
            if said.startswith(line) and said[len(line)] in " {":
                return float(said.rpartition(" ")[2])
        return None

    def await_that(self, what: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until `what()` is true."""
        deadline = time.monotonic() + seconds
        while not what():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def served(
    folder: Path, *words: str, command: str = "serve", under: Sequence[str] = ()
) -> Iterator[Served]:
    """Run the daemon until the block ends; it is answering when the block begins.

    `under` is a program that runs it, with that program's own words.
    """
    port = free_port()
    log = folder / "stderr"
    with log.open("wb") as stderr, (folder / "stdout").open("wb") as stdout:
        process = subprocess.Popen(
            [
                *under,
                *(sys.executable, "-m", "exporter", command),
                *(f"--web.listen-address=127.0.0.1:{port}", *words),
            ],
            stdout=stdout,
            stderr=stderr,
            env=os.environ | {"TMPDIR": str(folder)},
        )
    running = Served(process, port, log)
    try:
        running.await_that(lambda: _is_listening(port))
        yield running
    finally:
        end(process, 10)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
