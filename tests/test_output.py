"""Where an answer goes, and what is said where it cannot go there: one sentence and exit 2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from disks import mounted
from looking import Run
from needs import need_root

from exporter.demo.planted import PlantedRoot

PROGRAM = f"{sys.executable} -m exporter"


@pytest.fixture
def root(planted: PlantedRoot) -> PlantedRoot:
    planted.image(planted.layer((), lambda t: (t / "file").touch()), "one:1")
    return planted


def shell(command: str) -> tuple[int, str, str]:
    """Run a command line, and give its exit code, stdout and stderr."""
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("make", "name", "said"),
    [
        (
            lambda p: p.symlink_to(p.name),
            "x.prom",
            "cannot be written: Too many levels of symbolic",
        ),
        (lambda p: p.mkdir(), "x.prom", "is there and is not a regular file"),
        (os.mkfifo, "x.prom", "is there and is not a regular file"),
        (lambda p: None, "no/x.prom", "cannot be written: No such file or directory"),
        (lambda p: p.touch(), "x.prom/y", "cannot be written: Not a directory"),
        (lambda p: p.symlink_to("no/such"), "x.prom", "cannot be written: No such file"),
        (lambda p: None, "n" * 256, "cannot be written: File name too long"),
    ],
    ids=["loop", "folder", "fifo", "no folder", "below a file", "dangling", "too long"],
)
def test_an_output_file_that_cannot_be_is_one_sentence_before_anything_is_looked_at(
    make: Callable[[Path], object],
    name: str,
    said: str,
    root: PlantedRoot,
    tmp_path: Path,
    run: Run,
) -> None:
    make(tmp_path / "x.prom")
    before = sorted(os.listdir(tmp_path))
    done = run("scan", "--output=metrics", f"--output.file={tmp_path}/{name}", str(root.path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hardlink-exporter: {tmp_path}/{name}: {said}")
    assert done.stderr.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.root
def test_an_output_file_on_a_full_disk_stays_as_it_was(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    need_root()
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=8k", "none", str(disk)):
        (disk / "x.prom").write_text("old")
        done = run("scan", "--output=metrics", f"--output.file={disk}/x.prom", str(root.path))
        assert (done.returncode, done.stderr) == (
            2,
            f"hardlink-exporter: {disk}/x.prom: cannot be written: No space left on device\n",
        )
        assert (os.listdir(disk), (disk / "x.prom").read_text()) == (["x.prom"], "old")


def test_a_symlink_to_no_file_yet_becomes_one_to_the_answer(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "link").symlink_to("answer")
    assert run("scan", f"--output.file={tmp_path}/link", str(root.path)).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "answer").read_text().startswith("{")


@pytest.mark.parametrize(
    "words", ["scan --output=table", "scan --output=json", "scan --output=metrics", "rules", "-h"]
)
def test_a_full_stdout_is_one_sentence(words: str, root: PlantedRoot) -> None:
    path = root.path if words.startswith("scan") else ""
    assert shell(f"{PROGRAM} {words} {path} >/dev/full") == (
        2,
        "",
        "hardlink-exporter: stdout cannot be written: No space left on device\n",
    )


def test_a_closed_stdout_is_one_sentence(root: PlantedRoot) -> None:
    said = "hardlink-exporter: stdout is closed; name an --output.file instead\n"
    assert shell(f"{PROGRAM} scan --output=json {root.path} >&-") == (2, "", said)
    assert shell(f"{PROGRAM} rules >&-") == (2, "", "hardlink-exporter: stdout is closed\n")


def test_closed_streams_do_not_harm_a_file(root: PlantedRoot, tmp_path: Path) -> None:
    words = f"scan --output=metrics --output.file={tmp_path}/x.prom {root.path}"
    assert shell(f"{PROGRAM} {words} <&- >&- 2>&-") == (0, "", "")
    assert "hardlink_root_up" in (tmp_path / "x.prom").read_text()


@pytest.mark.parametrize("form", ["table", "json", "metrics"])
def test_a_reader_who_has_enough_is_no_trouble(form: str, root: PlantedRoot) -> None:
    scan = f"{PROGRAM} scan --output={form} {root.path}"
    code, out, err = shell(f"{scan} | true; exit ${{PIPESTATUS[0]}}")
    assert (code in (0, 2), out, err) == (True, "", "")
