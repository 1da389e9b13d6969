"""The image as its page says it is built and run, on a real engine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import Engine
from needs import PATIENCE
from prometheus_client.parser import text_string_to_metric_families
from serving import free_port

TOP = Path(__file__).parent.parent
PAGE = TOP / "deploy/container.md"
NAME = "hardlink-exporter"


@dataclass(frozen=True)
class Container:
    """A running container of ours, on the host's network."""

    engine: Engine
    port: int

    def get(self, path: str) -> str:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE
        ) as said:
            body: bytes = said.read()
            return body.decode()

    def python(self, program: str) -> str:
        """Run a program beside the daemon, with its rights."""
        return self.engine.docker("exec", NAME, "python3", "-c", program, check=False)

    def health(self) -> dict[str, Any]:
        """What the engine's health checks said."""
        found: dict[str, Any] = self.engine.inspect(NAME)["State"]["Health"]
        return found

    def await_that(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if what():
                    return
            except OSError:  # it does not listen yet
                pass
            assert time.monotonic() < deadline, self.engine.docker("logs", NAME)
            time.sleep(0.1)


def blocks(page: Path, begins: str) -> list[str]:
    """The page's blocks of shell commands whose first line begins so."""
    found: list[str] = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [text for text in found if text.startswith(begins)]


def words(command: str) -> list[str]:
    """Split a block that is one command into its words."""
    return shlex.split(command.replace("\\\n", ""))


def shell(engine: Engine, script: str, folder: Path) -> None:
    """Run shell commands in a folder, with this environment's pip and this engine's docker."""
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env=os.environ
        | {
            "DOCKER_HOST": f"unix://{engine.socket}",
            "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


def checkout(folder: Path) -> Path:
    """Copy what a fresh checkout has for a build."""
    folder.mkdir()
    for name in ("exporter", "deploy"):
        left_out = shutil.ignore_patterns("__pycache__", "wheels")
        shutil.copytree(TOP / name, folder / name, ignore=left_out)
    for name in ("pyproject.toml", "README.md", ".dockerignore"):
        shutil.copy(TOP / name, folder)
    return folder


@contextmanager
def running(engine: Engine, command: Sequence[str], *more: str) -> Iterator[Container]:
    """Run the documented command until the block ends; `more` are further words for the daemon.

    It listens on loopback of the host's network: the engine of a test has no bridge, so that no
    port can be published.
    """
    told = list(command)
    for flag in ("-p", "--restart"):
        at = told.index(flag)
        del told[at : at + 2]
    assert told[:2] == ["docker", "run"]
    port = free_port()
    listen = f"--web.listen-address=127.0.0.1:{port}"
    try:
        engine.docker("run", "--network", "host", *told[2:], listen, *more)
        container = Container(engine, port)
        container.await_that(lambda: container.get("/-/ready"))
        yield container
    finally:
        engine.docker("rm", "-f", NAME, check=False)


def samples(text: str, root: str) -> dict[str, float]:
    """Read a root's metrics: values by name and labels, the root left out."""
    return {
        f"{s.name} {sorted((s.labels | {'root': ''}).items())}": s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.labels.get("root") == root
    }
