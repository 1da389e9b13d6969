"""How the watch fails, each made for real, and how the daemon comes back: seen in its metrics.

The timer of these daemons is far too slow to help: what is seen, the watch or the poll saw.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import need_engine
from disks import disk
from engine import engine, tar
from hung import hung_mount
from inotify import setting
from needs import PATIENCE, missing, need_program, need_root
from serving import Served, served

from exporter.demo.planted import PlantedRoot


@pytest.fixture
def slow(tmp_path: Path) -> str:
    (tmp_path / "config.yml").write_text("scan: {interval: 3600}\n")
    return f"--config.file={tmp_path / 'config.yml'}"


def ready(daemon: Served) -> None:
    daemon.await_that(lambda: daemon.get("/-/ready").status == 200)


def is_watched(daemon: Served) -> bool:
    return daemon.metric("hardlink_watch_active") == 1


def passed(daemon: Served) -> float:
    """When the newest full pass ended."""
    return daemon.metric("hardlink_full_scan_timestamp_seconds") or 0


def layers(daemon: Served) -> int:
    kinds: dict[str, int] = daemon.report()[0]["layers"]
    return kinds.get("image", 0)


def a_layer(root: PlantedRoot, below: tuple[str, ...] = ()) -> tuple[str, ...]:
    return root.layer(below, lambda t: (t / f"file{len(below)}").touch())


def comes_back(daemon: Served, root: PlantedRoot, before: float, count: int) -> None:
    """See the root be counted anew and watched again, so that the next layer is seen at once."""
    daemon.await_that(lambda: is_watched(daemon), PATIENCE)
    daemon.await_that(lambda: passed(daemon) > before, PATIENCE)
    daemon.await_that(lambda: layers(daemon) == count, PATIENCE)
    events = daemon.metric("hardlink_watch_events_total") or 0
    a_layer(root)
    daemon.await_that(lambda: layers(daemon) == count + 1, PATIENCE)
    assert (daemon.metric("hardlink_watch_events_total") or 0) > events
    assert daemon.metric("hardlink_failed_layers_total") == 0


def test_a_root_deleted_and_made_anew_is_counted_and_watched_anew(
    planted: PlantedRoot, slow: str, tmp_path: Path
) -> None:
    a_layer(planted)
    with served(tmp_path, slow, str(planted.path)) as daemon:
        ready(daemon)
        before = passed(daemon)
        subprocess.run(["rm", "-rf", str(planted.path)], check=True)
        daemon.await_that(lambda: daemon.metric("hardlink_root_up") == 0)
        assert daemon.metric("hardlink_watch_active") == 0
        again = PlantedRoot(planted.path)
        a_layer(again, a_layer(again))
        comes_back(daemon, again, before, 2)
        assert daemon.metric("hardlink_root_up") == 1


@pytest.mark.root
def test_a_root_unmounted_and_mounted_again_is_counted_and_watched_anew(
    slow: str, tmp_path: Path
) -> None:
    need_root()
    need_program("mkfs.ext4")
    with disk(tmp_path, "100M", ["mkfs.ext4", "-q"]) as point:
        root = PlantedRoot(point)
        a_layer(root)
        with served(tmp_path, slow, str(point)) as daemon:
            ready(daemon)
            before = passed(daemon)
            subprocess.run(["umount", str(point)], check=True)
            daemon.await_that(lambda: daemon.metric("hardlink_root_up") == 0)
            assert daemon.metric("hardlink_watch_active") == 0
            words = ["mount", "-o", "loop", str(tmp_path / "disk.img"), str(point)]
            subprocess.run(words, check=True)
            comes_back(daemon, root, before, 1)


@pytest.mark.root
def test_a_root_unmounted_and_mounted_again_at_once_is_counted_and_watched_anew(
    slow: str, tmp_path: Path
) -> None:
    need_root()
    need_program("mkfs.ext4")
    with disk(tmp_path, "100M", ["mkfs.ext4", "-q"]) as point:
        root = PlantedRoot(point)
        a_layer(root)
        with served(tmp_path, slow, str(point)) as daemon:
            ready(daemon)
            before = passed(daemon)
            words = ["mount", "-o", "loop", str(tmp_path / "disk.img"), str(point)]
            subprocess.run(["umount", str(point)], check=True)
            subprocess.run(words, check=True)
            comes_back(daemon, root, before, 1)


@pytest.mark.root
@pytest.mark.alone
@pytest.mark.timeout(900)  # others are waited for
def test_the_queues_overflow_is_counted_and_all_is_counted_anew(tmp_path: Path, slow: str) -> None:
    need_root()
    need_program("mkfs.ext4")
    with (
        disk(tmp_path, "100M", ["mkfs.ext4", "-q"]) as point,
        setting("max_queued_events", "4"),
    ):
        root = PlantedRoot(point / "docker")
        a_layer(root)
        with served(tmp_path, slow, str(root.path)) as daemon:
            ready(daemon)
            before = passed(daemon)
            for i in range(3000):
                (root.image_home / f"imagedb/content/sha256/.tmp-{i}").touch()
            daemon.await_that(lambda: daemon.metric("hardlink_watch_overflows_total"))
            comes_back(daemon, root, before, 1)


@pytest.mark.root
@pytest.mark.alone
@pytest.mark.timeout(900)  # others are waited for
@pytest.mark.parametrize("name", ["max_user_instances", "max_user_watches"])
def test_without_any_watch_to_be_had_it_polls_and_says_so(
    planted: PlantedRoot, slow: str, tmp_path: Path, name: str
) -> None:
    need_root()
    a_layer(planted)
    with setting(name, "0") as limit, served(tmp_path, slow, str(planted.path)) as daemon:
        ready(daemon)
        assert daemon.metric("hardlink_watch_active") == 0
        a_layer(planted)
        daemon.await_that(lambda: layers(daemon) == 2, PATIENCE)
        assert "changes are not seen as they happen" in daemon.log.read_text()
        limit.write_text("8192")
        daemon.await_that(lambda: is_watched(daemon), PATIENCE)
        a_layer(planted)
        daemon.await_that(lambda: layers(daemon) == 3, PATIENCE)
        assert (daemon.metric("hardlink_watch_events_total") or 0) > 0


@pytest.mark.root
@pytest.mark.parametrize("place", ["layerdb/sha256", "imagedb/content/sha256"])
def test_a_folder_that_may_not_be_read_is_a_problem_and_not_watched(
    planted: PlantedRoot, slow: str, tmp_path: Path, place: str
) -> None:
    need_root()
    need_program("setpriv")
    base = a_layer(planted)
    planted.image(base, "a:1")
    closed = planted.image_home / place
    closed.chmod(0)
    powerless = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
    with served(tmp_path, slow, str(planted.path), under=powerless) as daemon:
        ready(daemon)
        assert daemon.metric("hardlink_watch_active") == 0
        assert "unreadable" in [p["reason"] for p in daemon.report()[0]["problems"]]
        closed.chmod(0o700)
        daemon.await_that(lambda: is_watched(daemon), PATIENCE)
        daemon.await_that(lambda: daemon.report()[0]["problems"] == [], PATIENCE)
        planted.image(a_layer(planted, base), "a:2")
        daemon.await_that(lambda: daemon.metric("hardlink_images") == 2, PATIENCE)


@pytest.mark.root
def test_a_walk_stuck_on_a_dead_mount_blocks_nobody_and_gets_no_second_one(
    planted: PlantedRoot, tmp_path: Path
) -> None:
    need_root()
    if not os.path.exists("/dev/fuse"):
        missing("/dev/fuse")
    a_layer(planted)
    dead = tmp_path / "dead"
    dead.mkdir()
    config = tmp_path / "config.yml"
    both = f"roots: [{dead}, {planted.path}]\nscan: {{interval: 0.2}}\n"
    config.write_text(both)
    up = f'hardlink_root_up{{root="{planted.path}"}} 1.0'
    with hung_mount(dead), served(tmp_path, f"--config.file={config}") as daemon:
        daemon.await_that(lambda: up in daemon.get("/metrics").text)
        daemon.await_that(lambda: [w for w in workers(daemon) if is_stuck(w)])
        (stuck,) = (w for w in workers(daemon) if is_stuck(w))
        (waiting,) = json.loads(daemon.get("/api/v1/report").body)["waiting"]
        assert (waiting["root"], waiting["assessment"]["level"]) == (str(dead), "pending")
        for roots in (f"roots: [{planted.path}]\n", both):
            config.write_text(roots)
            daemon.signal(signal.SIGHUP)
            before = daemon.metric("hardlink_scan_timestamp_seconds") or 0
            time.sleep(1)
            daemon.await_that(
                lambda: (daemon.metric("hardlink_scan_timestamp_seconds") or 0) > before  # noqa: B023
            )
            assert (stuck in workers(daemon), is_stuck(stuck)) == (True, True)  # it cannot die
            assert len(workers(daemon)) == 2
        subprocess.run(["umount", "-l", "-f", str(dead)], check=True)
        daemon.await_that(lambda: len(daemon.report()) == 2, PATIENCE)
        assert daemon.report()[0]["up"] is False
        subprocess.run(["mount", "-t", "tmpfs", "none", str(dead)], check=True)


def workers(daemon: Served) -> list[Path]:
    """The /proc folders of the daemon's worker processes."""
    tasks = Path(f"/proc/{daemon.process.pid}/task").glob("*/children")
    return [Path("/proc") / pid for task in tasks for pid in task.read_text().split()]


def is_stuck(worker: Path) -> bool:
    return "fuse" in (worker / "stack").read_text()


@pytest.mark.engine
@pytest.mark.root
def test_an_engine_restarted_and_then_switched_to_another_driver_is_followed(
    slow: str, tmp_path: Path
) -> None:
    need_engine()
    with engine(tmp_path, "overlay") as running:
        running.load([tar({"a": b"x"})], "on-overlay:1")
        root = running.root
        daemon_of = served(tmp_path, slow, str(root))
        daemon = daemon_of.__enter__()
    try:
        ready(daemon)
        with engine(tmp_path, "overlay") as running:
            running.load([tar({"a": b"x"}), tar({"b": b"x"})], "on-overlay:2")
            daemon.await_that(lambda: daemon.metric("hardlink_images") == 2, PATIENCE)
            assert is_watched(daemon)
        with engine(tmp_path, "overlay2") as running:
            running.load([tar({"a": b"x"})], "on-overlay2:1")
            daemon.await_that(
                lambda: (
                    [(r["driver"], len(r["images"])) for r in daemon.report()]
                    == [("overlay", 2), ("overlay2", 1)]
                ),
                PATIENCE,
            )
            daemon.await_that(lambda: is_watched(daemon), PATIENCE)
            running.load([tar({"a": b"x"}), tar({"b": b"x"})], "on-overlay2:2")
            daemon.await_that(lambda: len(daemon.report()[1]["images"]) == 2, PATIENCE)
        text = daemon.get("/metrics").text
        assert text.count("\nhardlink_failed_layers_total{") == 2
        assert daemon.metric("hardlink_failed_layers_total") == 0
    finally:
        daemon_of.__exit__(None, None, None)
