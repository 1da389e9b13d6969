"""The watch, on real folders with real inotify, and how it fails."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from disks import mounted
from needs import PATIENCE, need_root
from serving import Served, served

from exporter.demo.planted import PlantedRoot
from exporter.disk.watch import Place, Watch


@pytest.fixture
def woken() -> list[float]:
    return []


@pytest.fixture
def watch(woken: list[float]) -> Iterator[Watch]:
    made = Watch(lambda: woken.append(time.monotonic()))
    yield made
    made.stop()


def await_that(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_comes_and_goes_is_told_in_its_order(
    watch: Watch, woken: list[float], tmp_path: Path
) -> None:
    told: list[tuple[str, bool]] = []
    assert watch.arm([Place(tmp_path, lambda name, came: told.append((name, came)))]) == ""
    assert watch.active
    (tmp_path / "a").mkdir()
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "b").rmdir()
    await_that(lambda: len(told) == 4)
    assert told == [("a", True), ("a", False), ("b", True), ("b", False)]
    assert (watch.events, bool(woken)) == (4, True)


def test_a_folder_that_is_missing_leaves_the_watch_off_and_says_which(
    watch: Watch, tmp_path: Path
) -> None:
    trouble = watch.arm([Place(tmp_path), Place(tmp_path / "no")])
    assert (watch.active, trouble.startswith(f"{tmp_path}/no: ")) == (False, True)
    (tmp_path / "no").mkdir()
    assert watch.arm([Place(tmp_path), Place(tmp_path / "no")]) == ""
    assert (watch.active, watch.losses) == (True, 1)  # what happened there meanwhile, nobody saw


def test_a_folder_that_was_deleted_or_replaced_is_noticed_and_watched_anew(
    watch: Watch, tmp_path: Path
) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    watch.arm([Place(folder)])
    folder.rmdir()
    await_that(lambda: not watch.active)
    assert watch.losses == 1
    folder.mkdir()
    assert watch.arm([Place(folder)]) == ""
    seen_in(folder, watch)
    before = watch.losses
    folder.rename(tmp_path / "away")
    folder.mkdir()
    assert watch.arm([Place(folder)]) == ""
    assert (watch.active, watch.losses > before) == (True, True)
    seen_in(folder, watch)


def test_a_folder_that_is_back_at_once_under_the_same_number_is_watched_anew(
    watch: Watch, tmp_path: Path
) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    number = folder.stat().st_ino
    watch.arm([Place(folder)])
    for _ in range(20):
        folder.rmdir()
        folder.mkdir()
        if folder.stat().st_ino == number:
            break
    await_that(lambda: not watch.active)
    assert watch.arm([Place(folder)]) == ""
    assert watch.losses
    seen_in(folder, watch)


def seen_in(folder: Path, watch: Watch) -> None:
    """See that what comes in the folder is seen."""
    before = watch.events
    (folder / "x").touch()
    await_that(lambda: watch.events > before)
    (folder / "x").unlink()
    await_that(lambda: watch.events > before + 1)


@pytest.mark.root
def test_an_unmount_is_noticed(watch: Watch, tmp_path: Path) -> None:
    need_root()
    with mounted("-t", "tmpfs", "none", str(tmp_path)):
        watch.arm([Place(tmp_path)])
        assert watch.active
    await_that(lambda: not watch.active)
    assert watch.losses


def test_nothing_is_told_after_the_stop(watch: Watch, woken: list[float], tmp_path: Path) -> None:
    watch.arm([Place(tmp_path)])
    watch.stop()
    (tmp_path / "a").touch()
    time.sleep(0.1)
    assert (watch.active, woken) == (False, [])


# The same, seen from outside, in the metrics of a daemon whose timer is far too slow to help.


@pytest.fixture
def slow(tmp_path: Path) -> str:
    (tmp_path / "config.yml").write_text("scan: {interval: 3600}\n")
    return f"--config.file={tmp_path / 'config.yml'}"


def ready(daemon: Served) -> None:
    daemon.await_that(lambda: daemon.get("/-/ready").status == 200)


def test_a_new_layer_a_tag_and_a_removal_are_in_the_metrics_without_any_timer(
    planted: PlantedRoot, slow: str, tmp_path: Path
) -> None:
    base = planted.layer((), lambda t: (t / "file").touch())
    planted.image(base, "a:1")
    with served(tmp_path, slow, str(planted.path)) as daemon:
        ready(daemon)
        assert daemon.metric("hardlink_watch_active") == 1
        diffs = planted.layer(base, lambda t: (t / "f").touch())
        planted.image(diffs, "a:2")
        daemon.await_that(lambda: daemon.metric("hardlink_links_max") == 2, seconds=8)
        daemon.await_that(lambda: daemon.metric("hardlink_images") == 2, seconds=8)
        folder = planted.tree(diffs).parent
        subprocess.run(["rm", "-rf", str(folder)], check=True)
        daemon.await_that(lambda: daemon.metric("hardlink_links_max") == 1, seconds=8)
        assert (daemon.metric("hardlink_watch_events_total") or 0) > 0
        assert daemon.metric("hardlink_watch_overflows_total") == 0


def test_a_layer_given_up_is_counted_once(planted: PlantedRoot, slow: str, tmp_path: Path) -> None:
    planted.image(planted.layer((), lambda t: (t / "file").touch()), "a:1")
    with served(tmp_path, slow, str(planted.path)) as daemon:
        ready(daemon)
        assert daemon.metric("hardlink_failed_layers_total") == 0
        folder = planted.home / ("f" * 64)
        folder.mkdir()
        folder.rmdir()
        daemon.await_that(lambda: daemon.metric("hardlink_failed_layers_total") == 1, seconds=8)
