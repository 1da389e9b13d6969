"""`scan` never hangs: a mount whose server never answers, a slow disk, and two scans at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ending import alive, ended
from hung import hung_mount
from looking import Run
from needs import missing, need_root
from prometheus_client.parser import text_string_to_metric_families as families
from slow import slowed

from exporter.demo.planted import PlantedRoot

SCAN = (sys.executable, "-m", "exporter", "scan")

LIMIT = "8s"
"""Longer than a child process takes to start on a busy machine."""


@pytest.fixture
def good(planted: PlantedRoot) -> PlantedRoot:
    planted.image(planted.layer((), lambda t: (t / "file").touch()), "one:1")
    return planted


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[Path]:
    """A mount point whose server never answers."""
    need_root()
    if not os.path.exists("/dev/fuse"):
        missing("/dev/fuse")
    point = tmp_path / "dead"
    point.mkdir()
    with hung_mount(point):
        yield point


def children(of: str) -> list[int]:
    """The processes that look at a root for scans whose environment names this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if b"exporter.oneshot.child" in words and of.encode() in environment:
            found.append(int(process.name))
    return [pid for pid in found if alive(pid)]


def scan(*words: object, limit: str = LIMIT) -> subprocess.CompletedProcess[str]:
    """Run a scan whose reader waits for the end of all who hold its output."""
    return subprocess.run(
        [*SCAN, f"--scan.timeout={limit}", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def problems(document: str) -> dict[str, list[str]]:
    return {
        root["root"]: [problem["what"] for problem in root["problems"]]
        for root in json.loads(document)["roots"]
    }


def up(text: str) -> dict[str, float]:
    (family,) = (f for f in families(text) if f.name == "hardlink_root_up")
    return {sample.labels["root"]: sample.value for sample in family.samples}


@pytest.mark.root
def test_a_dead_mount_costs_its_root_alone_and_one_process_however_often_it_is_scanned(
    dead: Path, good: PlantedRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", str(tmp_path))
    file = tmp_path / "x.prom"
    stuck = []
    for said in ("no progress for 8s, and process", "an earlier scan of it still hangs: process"):
        done = scan("--output=metrics", f"--output.file={file}", dead, good.path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"hardlink-exporter: {dead}: {said} ")
        assert up(file.read_text()) == {str(dead): 0, str(good.path): 1}
        file.unlink()
        stuck.append(children(str(tmp_path)))
    assert len(stuck[0]) == 1
    assert stuck[0] == stuck[1]
    both = [
        subprocess.Popen([*SCAN, "--output=json", dead, good.path], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for one in both:  # with the default limit of 10 minutes
        told = problems(one.communicate(timeout=90)[0].decode())
        assert told[str(good.path)] == []
        assert f"process {stuck[0][0]} cannot end until" in told[str(dead)][0]
    assert children(str(tmp_path)) == stuck[0]


@pytest.mark.root
def test_a_mount_that_is_gone_at_last_lets_the_stuck_process_end_and_the_root_be_looked_at(
    dead: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", str(tmp_path))
    assert "cannot end" in scan(dead, limit="2s").stderr
    (stuck,) = children(str(tmp_path))
    subprocess.run(["umount", "-l", "-f", str(dead)], check=True)
    wait_until(lambda: not alive(stuck))
    PlantedRoot(dead)
    done = scan(dead)
    assert (done.returncode, problems(done.stdout)) == (0, {str(dead): []})
    subprocess.run(["mount", "-t", "tmpfs", "none", str(dead)], check=True)


@pytest.mark.root
def test_a_scan_that_was_killed_leaves_word_of_what_it_left(
    dead: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", str(tmp_path))
    with subprocess.Popen([*SCAN, dead]) as first:
        wait_until(lambda: any(is_waiting(pid) for pid in children(str(tmp_path))))
        first.kill()
    (stuck,) = children(str(tmp_path))
    done = scan(dead, limit="1h")
    assert f"an earlier scan of it still hangs: process {stuck} cannot end" in done.stderr
    assert children(str(tmp_path)) == [stuck]


@pytest.mark.root
def test_ctrl_c_ends_a_scan_that_waits_for_a_dead_mount(
    dead: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", str(tmp_path))
    with subprocess.Popen([*SCAN, dead], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as scan:
        wait_until(lambda: any(is_waiting(pid) for pid in children(str(tmp_path))))
        scan.send_signal(signal.SIGINT)
        assert scan.wait(30) == 130


@pytest.mark.root
def test_a_symlink_to_a_dead_mount_is_followed_by_the_process_that_may_hang(
    dead: Path, good: PlantedRoot, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(dead)
    done = scan(tmp_path / "link", good.path)
    told = problems(done.stdout)
    assert (done.returncode, list(told)) == (2, [f"{tmp_path}/link", str(good.path)])
    assert told[str(good.path)] == []


@pytest.mark.root
def test_the_search_for_roots_does_not_hang_either(dead: Path, tmp_path: Path) -> None:
    (tmp_path / "host/etc/docker").mkdir(parents=True)
    (tmp_path / "host/etc/docker/daemon.json").write_text('{"data-root": "/docker"}')
    (tmp_path / "host/docker").mkdir()
    subprocess.run(["mount", "--bind", str(dead), str(tmp_path / "host/docker")], check=True)
    try:
        words = f"--path.rootfs={tmp_path}/host"
        for said in ("no progress for 3s", "an earlier scan of it still hangs"):
            done = scan(words, "--output=json", limit="3s")
            assert done.returncode == 2
            assert done.stderr.startswith(f"hardlink-exporter: /docker: {said}")
            assert list(problems(done.stdout)) == ["/docker"]
    finally:
        subprocess.run(["umount", "-l", "-f", str(tmp_path / "host/docker")], check=True)


@pytest.mark.root
def test_what_says_where_roots_are_may_be_on_a_dead_mount_too(dead: Path, tmp_path: Path) -> None:
    (tmp_path / "host/etc").mkdir(parents=True)
    (tmp_path / "host/etc/docker").mkdir()
    point = str(tmp_path / "host/etc/docker")
    subprocess.run(["mount", "--bind", str(dead), point], check=True)
    try:
        for said in ("no progress for 3s", "an earlier scan of it still hangs"):
            done = scan(f"--path.rootfs={tmp_path}/host", limit="3s")
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith(
                f"hardlink-exporter: the search for storage roots: {said}"
            )
            assert done.stderr.endswith("; name the roots instead\n")
    finally:
        subprocess.run(["umount", "-l", "-f", point], check=True)


@pytest.mark.root
def test_the_others_are_told_before_a_dead_root_is_given_up(
    dead: Path, good: PlantedRoot, tmp_path: Path
) -> None:
    file = tmp_path / "x.prom"
    table, printed = [*SCAN, "--output=table", str(dead), str(good.path)], tmp_path / "table"
    metrics = [*SCAN, "--output=metrics", f"--output.file={file}", str(good.path), str(dead)]
    with (
        printed.open("wb") as stdout,
        ended(subprocess.Popen(table, stdout=stdout)) as first,
        ended(subprocess.Popen(metrics)) as second,
    ):
        wait_until(lambda: printed.read_text().startswith(f"{good.path}  overlay\n"))
        wait_until(file.exists)
        assert up(file.read_text()) == {str(good.path): 1, str(dead): 0}
        assert str(dead) not in printed.read_text()
        assert (first.poll(), second.poll()) == (None, None)


def is_waiting(pid: int) -> bool:
    return "fuse" in Path(f"/proc/{pid}/stack").read_text()


def wait_until(what: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# A slow disk.


def wide(root: PlantedRoot, folders: int) -> list[Path]:
    """Plant an image of one layer with so many folders, and give these."""

    def fill(tree: Path) -> None:
        for i in range(folders):
            (tree / f"d{i}").mkdir()
            (tree / f"d{i}/file").touch()

    diffs = root.layer((), fill)
    root.image(diffs, "wide:1")
    return sorted(root.tree(diffs).iterdir())


def test_an_honest_scan_of_one_layer_on_a_slow_disk_is_not_cut(planted: PlantedRoot) -> None:
    folders = wide(planted, 8)
    words = [*slowed(folders, 1), *SCAN, "--scan.timeout=6s", str(planted.path)]
    begun = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert time.monotonic() - begun > 2 * 8, "two readings of each folder"
    assert (done.returncode, problems(done.stdout)) == (0, {str(planted.path): []})


def test_one_that_stands_still_for_longer_than_the_limit_is_cut(planted: PlantedRoot) -> None:
    (folder,) = wide(planted, 1)
    words = [*slowed([folder], 30), *SCAN, "--scan.timeout=4s", str(planted.path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no progress for 4s" in done.stderr


def test_a_second_scan_of_a_root_waits_for_the_first_as_long_as_that_goes_on(
    planted: PlantedRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = wide(planted, 10)
    monkeypatch.setenv("MARK", str(planted.path))
    words = [*slowed(folders, 1), *SCAN, str(planted.path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as first:
        wait_until(lambda: children(str(planted.path)))
        second = scan(planted.path, limit="6s")
        assert (second.returncode, problems(second.stdout)) == (0, {str(planted.path): []})
        told = json.loads(first.communicate(timeout=60)[0])
        finished: Any = [told, json.loads(second.stdout)]
    one, two = (report["roots"][0]["scan"]["finished"] for report in finished)
    assert one < two


def test_many_scans_of_one_root_at_a_time_all_tell_it(good: PlantedRoot, run: Run) -> None:
    words = [*SCAN, "--output=json", str(good.path)]
    many = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(4)]
    for one in many:
        assert problems(one.communicate(timeout=90)[0].decode()) == {str(good.path): []}
        assert one.returncode == 0


@pytest.mark.parametrize("limit", ["0s", "ten", "10", ""])
def test_a_limit_that_is_no_duration_is_refused(limit: str, good: PlantedRoot) -> None:
    done = scan(good.path, limit=limit)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--scan.timeout': it should be" in done.stderr
