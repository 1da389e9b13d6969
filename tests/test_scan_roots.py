"""Which roots a scan tells, where two names are one root or look like one, and without /proc."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from disks import mounted
from looking import Run
from needs import need_program, need_root
from prometheus_client.parser import text_string_to_metric_families as families
from serving import served

from exporter.demo.planted import PlantedRoot


def plant(path: Path) -> PlantedRoot:
    root = PlantedRoot(path)
    root.image(root.layer((), lambda t: (t / "file").touch()), "one:1")
    return root


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [root["root"] for root in json.loads(done.stdout)["roots"]]


def test_a_root_named_twice_one_time_by_a_symlink_is_one_root_and_has_its_first_name(
    planted: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    plant(planted.path)
    other = plant(tmp_path / "other").path
    link = tmp_path / "link"
    link.symlink_to(planted.path)
    done = run("scan", str(link), str(other), str(planted.path), f"{planted.path}/../docker")
    assert (done.returncode, told(done)) == (0, [str(link), str(other)])
    assert f"root={link} left_out={planted.path}" in done.stderr
    assert told(run("scan", str(planted.path), str(link))) == [str(planted.path)]


@pytest.mark.root
def test_a_root_and_a_bind_mount_of_it_are_one(
    planted: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    need_root()
    plant(planted.path)
    (tmp_path / "bound").mkdir()
    with mounted("--bind", str(planted.path), str(tmp_path / "bound")):
        assert told(run("scan", str(planted.path), f"{tmp_path}/bound")) == [str(planted.path)]


def test_the_daemon_tells_one_root_under_two_names_once(
    planted: PlantedRoot, tmp_path: Path
) -> None:
    plant(planted.path)
    (tmp_path / "link").symlink_to(planted.path)
    with served(tmp_path, f"{tmp_path}/link", str(planted.path)) as daemon:
        daemon.await_that(lambda: "one root under two names" in daemon.log.read_text())
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        assert [root["root"] for root in daemon.report()] == [f"{tmp_path}/link"]
        assert daemon.get("/metrics").text.count("\nhardlink_root_up{") == 1


def test_two_roots_that_would_be_told_as_the_same_are_refused_by_scan_and_serve(
    tmp_path: Path,
) -> None:
    byte, letters = os.fsencode(tmp_path) + b"/\xff", os.fsencode(tmp_path) + rb"/\xff"
    for command in ("scan", "serve"):
        words = [sys.executable, "-m", "exporter", command, byte, letters]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            rf"hardlink-exporter: the roots '{tmp_path}/\xff' and '{tmp_path}/\\xff' would both be"
            rf" told as {tmp_path}/\xff; name one only" + "\n"
        )


def test_two_roots_told_into_two_files_of_a_textfile_folder_have_no_series_twice(
    tmp_path: Path, run: Run
) -> None:
    for name in ("a", "b"):
        root = plant(tmp_path / name).path
        done = run("scan", str(root), "--output=metrics", f"--output.file={tmp_path}/{name}.prom")
        assert done.returncode == 0
    text = "".join((tmp_path / f"{name}.prom").read_text() for name in ("a", "b"))
    series = Counter(
        (sample.name, *sorted(sample.labels.items()))
        for family in families(text)
        for sample in family.samples
    )
    assert len(series) > 60
    assert set(series.values()) == {1}


@pytest.mark.root
def test_without_proc_the_sentence_names_the_mount_table_and_what_to_do(
    planted: PlantedRoot, tmp_path: Path
) -> None:
    need_root()
    need_program("unshare", "chroot")
    plant(planted.path)
    what = (
        "/proc/self/mountinfo cannot be read: No such file or directory;"
        " mount a proc filesystem on /proc"
    )
    without_proc = ("unshare", "--mount", "sh", "-c", 'umount -l /proc && exec "$@"', "sh")
    scan = (sys.executable, "-m", "exporter", "scan", "--output=json", str(planted.path))
    done = subprocess.run([*without_proc, *scan], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, f"hardlink-exporter: {planted.path}: {what}\n")
    (root,) = json.loads(done.stdout)["roots"]
    assert [problem["what"] for problem in root["problems"]] == [what]
    with served(tmp_path, str(planted.path), under=without_proc) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        assert [p["what"] for p in daemon.report()[0]["problems"]] == [what]
