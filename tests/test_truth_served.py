"""A daemon's figures become true by themselves, also where no event tells that they should."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest
from parents import write_parent
from serving import Served, served

from exporter.demo.planted import PlantedRoot

PATIENCE = 60
"""Seconds for what an error of a moment may hold up."""


def config(folder: Path, interval: float) -> str:
    (folder / "config.yml").write_text(f"scan: {{interval: {interval}}}\n")
    return f"--config.file={folder / 'config.yml'}"


def ready(daemon: Served) -> None:
    daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
    daemon.await_that(lambda: daemon.metric("hardlink_scan_coverage_ratio") == 1)


def test_equal_files_that_are_linked_to_one_are_seen_in_a_few_looks(
    planted: PlantedRoot, tmp_path: Path
) -> None:
    trees = []
    for tag in ("a:1", "b:1"):
        base = planted.layer((), lambda t: [(t / f"f{i:03}").write_text("x") for i in range(300)])
        top = planted.layer(base, lambda t: (t / "d").mkdir())
        planted.image(top, tag)
        trees += [planted.tree(base), planted.tree(top)]
    words = (config(tmp_path, 2), "--log.level=debug", str(planted.path))
    with served(tmp_path, *words) as daemon:
        ready(daemon)
        assert daemon.report()[0]["layers_left"]["links"] == 65_000 - 2
        first, *others = [file for tree in trees for file in sorted(tree.glob("f*"))]
        for file in others:
            file.unlink()
            os.link(first, file)
        daemon.await_that(lambda: daemon.report()[0]["layers_left"]["links"] == 212, 15)
        daemon.await_that(lambda: daemon.metric("hardlink_scan_coverage_ratio") == 1, 15)
        assert daemon.report()[0]["problems"] == []


@pytest.mark.parametrize("folder_is_there", [False, True])
def test_an_image_that_another_turns_out_to_be_built_on_is_listed_no_more(
    planted: PlantedRoot, tmp_path: Path, folder_is_there: bool
) -> None:
    base = planted.layer((), lambda t: (t / "file").touch())
    with served(tmp_path, config(tmp_path, 3600), str(planted.path)) as daemon:
        ready(daemon)
        between = planted.image(base)
        metadata = planted.image_home / "imagedb/metadata/sha256"
        top = planted.image(planted.layer(base, lambda t: (t / "own").touch()), "shop:1")
        if folder_is_there:
            (metadata / top[7:]).mkdir()
            (metadata / top[7:] / "lastUpdated").write_text("2026-11-26T12:00:00.0Z")
        daemon.await_that(lambda: daemon.metric("hardlink_images") == 2)
        time.sleep(3)
        write_parent(planted, top, between)
        daemon.await_that(lambda: daemon.metric("hardlink_images") == 1, 20)


def test_a_worker_that_had_no_descriptors_for_a_moment_counts_what_it_missed_by_itself(
    planted: PlantedRoot, tmp_path: Path
) -> None:
    planted.image(planted.layer((), deep), "a:1")
    with served(tmp_path, config(tmp_path, 3600), str(planted.path)) as daemon:
        ready(daemon)
        worker = child_of(daemon.process.pid)
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        fds = sorted(map(int, os.listdir(f"/proc/{worker}/fd")))
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (fds[-1] + 5, before[1]))
        planted.image(planted.layer((), deep), "b:1")
        daemon.await_that(lambda: daemon.report()[0]["problems"])
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        daemon.await_that(
            lambda: (
                daemon.metric("hardlink_scan_coverage_ratio") == 1
                and not daemon.report()[0]["problems"]
                and daemon.metric("hardlink_images") == 2
            ),
            PATIENCE,
        )


def deep(tree: Path) -> None:
    (tree / "a/b/c/d/e").mkdir(parents=True)
    (tree / "a/b/c/d/e/file").touch()


def child_of(daemon: int) -> int:
    """Find the worker of a daemon of one root, which one of its threads started."""
    lists = Path(f"/proc/{daemon}/task").glob("*/children")
    (worker,) = [int(pid) for children in lists for pid in children.read_text().split()]
    return worker
