"""Where memory is limited, as by MemoryMax= or `docker run --memory`: real limits of the kernel's."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from needs import PATIENCE, missing, need_root
from serving import served

from exporter.demo.planted import PlantedRoot

pytestmark = pytest.mark.root

LIMIT = 72 << 20
"""Bytes: enough for the daemon, too little to count the root of this test beside it."""


@contextmanager
def limited() -> Iterator[tuple[str, ...]]:
    """Make a control group with that limit; give the words that run a program in it."""
    for hierarchy, file in (("/memory", "memory.limit_in_bytes"), ("", "memory.max")):
        group = Path(f"/sys/fs/cgroup{hierarchy}/hardlink-exporter-test-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / file).exists():
                (group / file).write_text(str(LIMIT))
                yield ("sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh")
                return
        finally:
            _remove(group)
    missing("a memory controller that lets us limit ourselves")


def _remove(group: Path) -> None:
    """Remove it once the last process in it has ended: a worker does, a moment after the daemon."""
    deadline = time.monotonic() + PATIENCE
    while (group / "cgroup.procs").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    group.rmdir()


def test_a_worker_that_takes_too_much_ends_alone_and_the_daemon_stays(
    planted: PlantedRoot, tmp_path: Path
) -> None:
    need_root()

    def many(tree: Path) -> None:
        for number in range(150_000):
            (tree / f"{number:050}").touch()

    planted.image(planted.layer((), many), "many:1")
    with (
        limited() as under,
        served(tmp_path, "--log.level=debug", str(planted.path), under=under) as daemon,
    ):
        daemon.await_that(lambda: "a root's worker died" in daemon.log.read_text(), 60)
        assert daemon.get("/-/healthy").status == 200
        assert daemon.process.poll() is None
