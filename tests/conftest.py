"""What tests share: planted roots, the program itself, and real engines."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from engine import BUSYBOX, DOCKER, DOCKERD, Engine, engine
from looking import Run
from needs import PATIENCE, missing, need_program, need_root
from webclients import Papers, papers_in

from exporter.demo.planted import PlantedRoot

# How long an example takes is a matter of the machine, and of what else runs on it.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _company(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Let a test that is marked `alone` run while none runs in another process.

    Whoever comes passes the turnstile, where one who wants to be alone holds up the others.
    """
    place = tmp_path_factory.getbasetemp().parent
    alone = request.node.get_closest_marker("alone") is not None
    with (place / "turnstile").open("w") as turnstile, (place / "company").open("w") as company:
        fcntl.flock(turnstile, fcntl.LOCK_EX)
        fcntl.flock(company, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(turnstile, fcntl.LOCK_UN)
        yield


@pytest.fixture
def planted(tmp_path: Path) -> PlantedRoot:
    """An empty root of the overlay driver."""
    return PlantedRoot(tmp_path / "docker")


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    """Give certificates for TLS, and see that there are clients that speak it."""
    need_program("curl", "openssl")
    return papers_in(tmp_path / "papers")


@pytest.fixture(scope="session")
def run() -> Run:
    """Run the program as a user does, and give what it said."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "exporter", *words],
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def overlay_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A real engine with the overlay (v1) driver, shared by all tests."""
    need_engine()
    with engine(tmp_path_factory.mktemp("overlay"), "overlay") as running:
        yield running


def need_engine() -> None:
    """Skip, or fail in CI, where no real engine can be started."""
    need_root()
    for program in (DOCKER, DOCKERD, BUSYBOX):
        if not os.path.exists(program):
            missing(f"a Docker Engine: {program}")
