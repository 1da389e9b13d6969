"""The command line: what a user types, what comes back, and with which exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from looking import Run
from terminal import on_terminal

from exporter.alerting import Alerts
from exporter.demo.planted import PlantedRoot


@pytest.fixture
def root(planted: PlantedRoot) -> PlantedRoot:
    """A root with one image."""
    planted.image(planted.layer((), lambda t: (t / "file").touch()), "one:1")
    return planted


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_scan_prints_json_when_piped_and_a_table_on_a_terminal(root: PlantedRoot, run: Run) -> None:
    piped = run("scan", str(root.path))
    assert (piped.returncode, json.loads(piped.stdout)["version"]) == (0, 1)
    words = [sys.executable, "-m", "exporter", "scan", str(root.path)]
    said, _ = on_terminal(words, "stdout", {})
    assert "one:1" in said
    assert "layers left: links 64999" in said


def test_scan_shows_how_far_it_is_on_a_terminal_and_leaves_nothing_of_that(
    root: PlantedRoot,
) -> None:
    words = [sys.executable, "-m", "exporter", "scan", str(root.path)]
    said, stdout = on_terminal(words, "stderr", {"TERM": "xterm", "COLUMNS": "200"})
    assert json.loads(stdout)["roots"][0]["up"]
    assert str(root.path)[-20:] in said
    assert re.search(r"1/1\S* layers", said)
    assert said.endswith("\x1b[2K")  # the line is erased


def test_the_json_has_every_key_of_the_contract(root: PlantedRoot, run: Run) -> None:
    (one,) = json.loads(run("scan", str(root.path)).stdout)["roots"]
    assert set(one) >= {
        *("root", "driver", "up", "fstype", "links_limit", "limit_source", "links_max", "layers"),
        *("depth_max", "depth_limit", "layers_left", "runs_out_first", "tightest", "images"),
        *("problems", "scan", "assessment"),
    }
    assert set(one["layers_left"]) == {"links", "inodes", "depth"}
    assert set(one["tightest"]) == {"layer", "images", "inode", "links", "names", "path"}
    assert set(one["images"][0]) == {
        *("name", "names", "id", "depth", "layers_left", "chain_layers_left", "tightest"),
    }
    assert set(one["scan"]) >= {"complete", "coverage", "seconds", "entries", "finished"}
    assert one["runs_out_first"] == "depth"
    assert one["tightest"]["images"] == ["one:1"]


def test_scan_tells_what_it_has_before_it_exits_2_for_a_root_that_gave_nothing(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    done = run("scan", str(root.path), str(tmp_path / "gone"))
    assert done.returncode == 2
    assert [r["up"] for r in json.loads(done.stdout)["roots"]] == [True, False]
    assert done.stderr == (
        f"hardlink-exporter: {tmp_path}/gone: the root cannot be read: No such file or directory\n"
    )


def test_scan_without_any_root_on_the_host_says_so(tmp_path: Path, run: Run) -> None:
    done = run("scan", f"--path.rootfs={tmp_path}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no storage root was found on this host" in done.stderr


def test_scan_finds_the_root_that_daemon_json_names_below_another_slash(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "etc/docker").mkdir(parents=True)
    write(tmp_path / "etc/docker/daemon.json", '{"data-root": "/docker"}')
    (one,) = json.loads(run("scan", f"--path.rootfs={tmp_path}").stdout)["roots"]
    assert (one["root"], one["up"]) == ("/docker", True)
    named = json.loads(run("scan", f"--path.rootfs={tmp_path}", "/docker").stdout)["roots"][0]
    assert named["root"] == "/docker"


def test_the_output_file_is_written_whole_and_readable(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    file = tmp_path / "out" / "hardlink.prom"
    file.parent.mkdir()
    done = run("scan", "--output=metrics", f"--output.file={file}", str(root.path))
    assert (done.returncode, done.stdout) == (0, "")
    assert 'hardlink_layers_left{driver="overlay",resource="links"' in file.read_text()
    assert "process_" not in file.read_text()
    assert "python_info" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644
    assert os.listdir(file.parent) == ["hardlink.prom"]


def test_a_configured_limit_counts_and_one_below_todays_links_is_0_with_a_problem(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    def fill(tree: Path) -> None:
        (tree / "f").touch()
        os.link(tree / "f", tree / "g")

    root.image(root.layer((), fill), "two:1")
    file = write(tmp_path / "c.yml", f"links_limits: {{{root.path}: 1}}\n")
    (one,) = json.loads(run("scan", f"--config.file={file}", str(root.path)).stdout)["roots"]
    assert (one["links_limit"], one["limit_source"], one["layers_left"]["links"]) == (
        1,
        "config",
        0,
    )
    assert [p["reason"] for p in one["problems"]] == ["limit_exceeded"]


def test_a_wrong_configuration_is_one_sentence_with_its_place_and_exit_2(
    tmp_path: Path, run: Run
) -> None:
    file = write(tmp_path / "c.yml", "metrics:\n  images: many\n")
    for command in ("scan", "serve"):
        done = run(command, f"--config.file={file}")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f"hardlink-exporter: {file}:2:3: metrics.images:"
            " it should be a valid integer, not 'many'\n"
        )


def test_config_check_says_what_is_in_force_and_exits(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    file = write(tmp_path / "c.yml", f"roots: [{root.path}]\nmetrics: {{images: 3}}\n")
    done = run("serve", "--config.check", f"--config.file={file}")
    assert done.returncode == 0
    assert done.stdout == (
        "# configuration in force\n"
        f"roots:\n- {root.path}\n"
        "links_limits: {}\n"
        "scan:\n  interval: 30.0\n  reconcile: 86400.0\n"
        "metrics:\n  images: 3\n"
        "thresholds:\n  warning: 20\n  critical: 5\n"
        + yaml.safe_dump({"alerts": Alerts().model_dump()}, sort_keys=False)
        + "# listen addresses: :10650\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["scan", "--no.such.flag"],
        ["nonsense"],
        ["scan", "--output", "xml"],
        ["serve", "--web.telemetry-path=metrics"],
        ["serve", "--web.listen-address=nowhere"],
        ["serve", "--web.listen-address=127.0.0.1:99999"],
        ["serve", "--config.file=/no/such/file"],
        ["scan", "--log.level=loud"],
        ["scan", "--path.rootfs=/no/such/folder"],
    ],
)
def test_wrong_usage_is_told_in_a_few_words_and_exits_2(words: list[str], run: Run) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_help_and_version_are_everywhere(run: Run) -> None:
    assert run("--version").stdout.startswith("hardlink-exporter, version ")
    for words in ([], ["serve"], ["scan"], ["rules"], ["demo"]):
        for flag in ("-h", "--help"):
            done = run(*words, flag)
            assert (done.returncode, done.stderr) == (0, "")
            assert "--help" in done.stdout


@pytest.mark.parametrize("words", ["scan --output json", "scan --output metrics", "-h"])
def test_a_closed_pipe_is_no_traceback_and_never_a_negative_answer(
    root: PlantedRoot, words: str
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    line = [sys.executable, "-m", "exporter", *words.split()]
    line += [str(root.path)] if words.startswith("scan") else []
    done = subprocess.run(line, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (2, b"")


def test_a_narrow_terminal_never_shows_a_figure_cut_short(root: PlantedRoot) -> None:
    words = [sys.executable, "-m", "exporter", "scan", str(root.path)]
    said, _ = on_terminal(words, "stdout", {"COLUMNS": "40"})
    (row,) = (line for line in said.splitlines() if line.startswith("  one:1"))
    assert re.findall(r"\b64999\b", re.sub(r"\x1b\[\d+m", " ", row)) == ["64999"] * 2


def test_an_output_file_that_is_no_file_is_left_alone(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    os.mkfifo(tmp_path / "fifo")
    done = run("scan", f"--output.file={tmp_path}/fifo", str(root.path))
    assert (done.returncode, "is not a regular file" in done.stderr) == (2, True)
    (tmp_path / "to").write_text("old")
    (tmp_path / "link").symlink_to("to")
    assert run("scan", f"--output.file={tmp_path}/link", str(root.path)).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "to").read_text())["version"] == 1


def test_a_bad_root_does_not_keep_the_others_from_being_told(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    done = run("scan", f"--path.rootfs={tmp_path}", "/loop", "/docker")
    assert done.returncode == 2
    assert [r["up"] for r in json.loads(done.stdout)["roots"]] == [False, True]


def test_a_drivers_folder_may_be_a_symlink_of_the_host(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    (root.path / "overlay").rename(tmp_path / "elsewhere")
    (root.path / "overlay").symlink_to("/elsewhere")
    (one,) = json.loads(run("scan", f"--path.rootfs={tmp_path}", "/docker").stdout)["roots"]
    assert (one["up"], one["layers_left"]["links"], one["problems"]) == (True, 64999, [])


def test_a_limit_holds_for_a_root_that_is_named_by_a_symlink(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "link").symlink_to(root.path)
    file = write(tmp_path / "c.yml", f"links_limits: {{/{root.path}/: 7}}\n")
    (one,) = json.loads(run("scan", f"--config.file={file}", f"{tmp_path}/link").stdout)["roots"]
    assert (one["root"], one["links_limit"]) == (f"{tmp_path}/link", 7)
