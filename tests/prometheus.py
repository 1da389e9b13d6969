"""A real Prometheus for tests: a process on a free port of loopback, ended by its own pid."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ending import end
from needs import PATIENCE, need_program
from serving import free_port

PROMETHEUS = "prometheus"
PROMTOOL = "promtool"


class RefusedError(AssertionError):
    """Prometheus refused a query. The text is what it said."""


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, `__name__` among them, and (time, value) pairs."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def value(self) -> float:
        """The newest value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Prometheus:
    """A running server. `folder` holds its configuration, data and log."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def instant(self, query: str, at: float | None = None) -> list[Series]:
        """The answer to a query at one moment, by default now."""
        asked = {"query": query} | ({} if at is None else {"time": str(at)})
        return _series(self.api("query", **asked))

    def range(self, query: str, start: float, end: float, step: float) -> list[Series]:
        """The answer to a query over a time, in unix seconds."""
        asked = {"query": query, "start": str(start), "end": str(end), "step": str(step)}
        return _series(self.api("query_range", **asked))

    def rules(self) -> list[dict[str, Any]]:
        """All rules as `/api/v1/rules` tells them, those of all groups in one list."""
        groups: list[dict[str, Any]] = self.api("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def alerts(self, name: str | None = None) -> list[dict[str, Any]]:
        """The pending and firing alerts, all or those of one name."""
        found: list[dict[str, Any]] = self.api("alerts")["alerts"]
        return [a for a in found if name in (None, a["labels"]["alertname"])]

    def targets(self) -> list[dict[str, Any]]:
        """The targets that are scraped."""
        found: list[dict[str, Any]] = self.api("targets", state="active")["activeTargets"]
        return found

    def api(self, path: str, **asked: str) -> Any:
        """Ask the HTTP API, and give the data of its answer. Raises RefusedError."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        form = urllib.parse.urlencode(asked).encode() if path.startswith("query") else None
        if form is None and asked:
            url += f"?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(url, form, timeout=PATIENCE) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(f"{asked}: {error.read().decode()}") from None

    def await_that(self, what: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until `what()` is true."""
        deadline = time.monotonic() + seconds
        while not what():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, f"after {seconds} s it is not so; {self.log}"
            time.sleep(0.1)

    @property
    def log(self) -> str:
        """The end of what it logged."""
        return (self.folder / "prometheus.log").read_text()[-4000:]


@contextmanager
def prometheus(folder: Path, config: str, *flags: str) -> Iterator[Prometheus]:
    """Run a server with this configuration until the block ends; it is ready when the block begins.

    The configuration becomes `prometheus.yml` in `folder`, beside which it finds its rule files.
    """
    need_program(PROMETHEUS)
    port = free_port()
    (folder / "prometheus.yml").write_text(config)
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(PROMETHEUS, f"--config.file={folder / 'prometheus.yml'}"),
                *(
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ),
                *("--web.enable-lifecycle", "--log.level=warn", *flags),
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    running = Prometheus(process, port, folder)
    try:
        running.await_that(lambda: _is_ready(port))
        yield running
    finally:
        end(process)


def promtool(*words: str | Path) -> str:
    """Run promtool; give what it said. Raises AssertionError where it finds fault."""
    need_program(PROMTOOL)
    done = subprocess.run(
        [PROMTOOL, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _series(data: dict[str, Any]) -> list[Series]:
    if data["resultType"] == "scalar":
        time, value = data["result"]
        return [Series({}, ((float(time), float(value)),))]
    return [
        Series(
            one["metric"],
            tuple((float(t), float(v)) for t, v in one.get("values") or [one["value"]]),
        )
        for one in data["result"]
    ]
