"""Hostile and broken roots: right figures for the rest, a problem with its place, never a crash."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import oracle
import pytest
from disks import mounted
from looking import Run, as_json, image, look, look_one
from needs import need_root

from exporter.demo.planted import PlantedRoot
from exporter.model import Reason, Resource, RootReport
from exporter.text import one_line
from exporter.thinking.chains import chain_ids

EXT4 = 65_000


def a_file(name: str = "file") -> Callable[[Path], object]:
    return lambda tree: (tree / name).write_text("x")


def reasons(report: RootReport) -> list[tuple[str, Reason]]:
    """Each problem's place below the root, and its reason."""
    return [(p.where.removeprefix(report.root + "/"), p.reason) for p in report.problems]


@pytest.fixture
def healthy(planted: PlantedRoot) -> PlantedRoot:
    """A root with one good image of two layers."""
    planted.image(planted.layer(planted.layer((), a_file()), a_file("second")), "good:1")
    return planted


def good_left(report: RootReport) -> int | None:
    left: int | None = image(report, "good:1")["layers_left"]["links"]
    return left


# Roots that give nothing.


def test_a_root_that_is_not_there_is_down_with_one_problem(tmp_path: Path) -> None:
    report = look_one(tmp_path / "nowhere", 100)
    assert (report.up, report.driver) == (False, None)
    assert [(p.where, p.reason) for p in report.problems] == [
        (str(tmp_path / "nowhere"), Reason.ROOT)
    ]
    assert "No such file" in report.problems[0].what


@pytest.mark.parametrize("fill", [lambda p: p, lambda p: (p / "music").touch()])
def test_a_folder_that_is_no_docker_root_is_down(
    tmp_path: Path, fill: Callable[[Path], object]
) -> None:
    fill(tmp_path)
    report = look_one(tmp_path)
    assert not report.up
    assert "overlay/, overlay2/" in report.problems[0].what


def test_a_file_in_the_place_of_a_root_is_down(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "Not a directory" in look_one(tmp_path / "file").problems[0].what


def test_podmans_store_is_not_taken_for_dockers(tmp_path: Path) -> None:
    for folder in ("overlay/l", "overlay-layers", "overlay-images"):
        (tmp_path / folder).mkdir(parents=True)
    assert not look_one(tmp_path).up


def test_a_fresh_engines_root_has_no_layers_and_nothing_wrong(planted: PlantedRoot) -> None:
    report = look_one(planted.path)
    assert (report.up, report.problems, report.links_max) == (True, (), None)
    assert as_json(report)["layers_left"] == {"depth": 125}
    assert report.scan.coverage == 1.0


def as_nobody(*paths: Path) -> list[dict[str, Any]]:
    """Scan as a user who may read little, in a process of its own."""
    script = (
        # Everything is imported before the privileges go: the checkout may be root's alone.
        "import os, sys, time\nfrom pathlib import Path\nfrom exporter.model import Root\n"
        "from exporter.config import Config\nfrom exporter.looking.scan import scan_root\n"
        "from exporter.telling.assessment import assess_all\n"
        "from exporter.telling.report import to_json\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "reports = [r for p in sys.argv[1:] for r in scan_root(Root(p, Path(p)))]\n"
        "print(to_json(assess_all(reports, Config(), time.time())))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)["roots"]
    return found


@contextmanager
def open_to_all(path: Path) -> Iterator[None]:
    """Let others pass through the folders above, which pytest makes for us alone."""
    changed = [p for p in (path, *path.parents) if p != Path("/") and not p.stat().st_mode & 0o001]
    modes = [p.stat().st_mode for p in changed]
    for p in changed:
        p.chmod(0o755)
    yield
    for p, mode in zip(changed, modes, strict=True):
        p.chmod(mode)


def test_an_unreadable_root_is_down(planted: PlantedRoot) -> None:
    with open_to_all(planted.path):
        planted.path.chmod(0)
        (report,) = as_nobody(planted.path)
        planted.path.chmod(0o755)
    assert not report["up"]
    assert "Permission denied" in report["problems"][0]["what"]


def test_an_unreadable_folder_in_a_layer_leaves_the_rest_right(healthy: PlantedRoot) -> None:
    secret = healthy.layer((), lambda t: (t / "secret").mkdir())
    healthy.image(secret, "bad:1")
    with open_to_all(healthy.path):
        (healthy.tree(secret) / "secret").chmod(0)
        (report,) = as_nobody(healthy.path)
        (healthy.tree(secret) / "secret").chmod(0o755)
    rows = {row["name"]: row for row in report["images"]}
    assert rows["good:1"]["layers_left"]["links"] == EXT4 - 2
    assert rows["bad:1"]["layers_left"]["links"] is None
    assert rows["bad:1"]["chain_layers_left"] is None
    assert report["scan"]["coverage"] == 2 / 3
    assert (report["scan"]["complete"], report["inodes"]) == (False, None)
    (problem,) = report["problems"]
    assert problem["reason"] == "unreadable"
    assert problem["where"].endswith("/root/secret")


# Broken layerdb.


def break_layer(root: PlantedRoot, file: str, raw: bytes) -> str:
    """Add a layer, spoil one of its files in layerdb, and give the place."""
    diffs = root.layer((), a_file())
    place = f"layerdb/sha256/{diffs[0][7:]}"
    (root.image_home / place / file).write_bytes(raw)
    return f"image/overlay/{place}"


@pytest.mark.parametrize(
    ("file", "raw"),
    [
        ("cache-id", b"../../etc"),
        ("cache-id", b"/etc"),
        ("cache-id", b".."),
        ("cache-id", b""),
        ("cache-id", b"\x00\xff\xfe"),
        ("cache-id", b"a" * 10_000_000),
        ("parent", b"\x7fELF\x00"),
        ("parent", b"sha256:short"),
        ("parent", b"x" * 5000),
        ("parent", b"sha256:" + b"0" * 64),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_broken_file_of_layerdb_is_a_problem_with_its_place(
    healthy: PlantedRoot, file: str, raw: bytes
) -> None:
    place = break_layer(healthy, file, raw)
    report = look_one(healthy.path, EXT4)
    assert reasons(report) == [(place, Reason.LINEAGE)]
    assert good_left(report) == EXT4 - 2


def test_a_layer_without_a_cache_id_is_a_problem(healthy: PlantedRoot) -> None:
    place = break_layer(healthy, "cache-id", b"")
    (healthy.path / place / "cache-id").unlink()
    assert reasons(look_one(healthy.path)) == [(place, Reason.LINEAGE)]


def test_a_loop_of_parents_ends_and_is_told_at_each_layer_of_it(healthy: PlantedRoot) -> None:
    one, two = (healthy.layer((), a_file())[0] for _ in range(2))
    for chain, parent in ((one, two), (two, one)):
        (healthy.image_home / "layerdb/sha256" / chain[7:] / "parent").write_text(parent)
    report = look_one(healthy.path)
    assert sorted(reasons(report)) == sorted(
        (f"image/overlay/layerdb/sha256/{c[7:]}", Reason.LINEAGE) for c in (one, two)
    )
    assert report.depth_max == 2


def test_fifos_and_symlinks_in_the_place_of_records_do_not_hang_us(healthy: PlantedRoot) -> None:
    place = break_layer(healthy, "cache-id", b"")
    (healthy.path / place / "cache-id").unlink()
    os.mkfifo(healthy.path / place / "cache-id")
    other = break_layer(healthy, "cache-id", b"")
    (healthy.path / other / "cache-id").unlink()
    (healthy.path / other / "cache-id").symlink_to("/etc/passwd")
    report = look_one(healthy.path)
    assert {where for where, _ in reasons(report)} == {place, other}
    assert good_left(report) == EXT4 - 2


def test_a_layer_whose_folder_is_gone_is_a_problem(healthy: PlantedRoot) -> None:
    diffs = healthy.layer((), a_file())
    healthy.image(diffs, "lost:1")
    folder = healthy.tree(diffs).parent
    shutil.rmtree(folder)
    report = look_one(healthy.path)
    assert reasons(report) == [(f"overlay/{folder.name}", Reason.LINEAGE)]
    assert image(report, "lost:1")["layers_left"]["links"] is None
    assert good_left(report) == EXT4 - 2


# Broken imagedb and repositories.json.


@pytest.mark.parametrize(
    "raw",
    [
        b"not JSON",
        b"[]",
        b"{}",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"rootfs":{"diff_ids":"sha256:x"}}',
        b'{"rootfs":{"diff_ids":["../../etc"]}}',
        b'{"rootfs":{"diff_ids":[7]}}',
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_an_image_that_cannot_be_understood_is_a_problem(healthy: PlantedRoot, raw: bytes) -> None:
    place = f"imagedb/content/sha256/{'a' * 64}"
    (healthy.image_home / place).write_bytes(raw)
    report = look_one(healthy.path)
    assert reasons(report) == [(f"image/overlay/{place}", Reason.IMAGE)]
    assert [i.name for i in report.images] == ["good:1"]


def test_an_image_without_layers_can_only_run_out_of_depth(healthy: PlantedRoot) -> None:
    healthy.image((), "scratch:1")
    report = look_one(healthy.path)
    row = image(report, "scratch:1")
    assert (row["depth"], row["layers_left"], report.problems) == (0, {"depth": 125}, ())


def test_an_image_on_a_layer_that_layerdb_does_not_have_is_a_problem(healthy: PlantedRoot) -> None:
    id = healthy.image((f"sha256:{'b' * 64}",), "lost:1")
    report = look_one(healthy.path)
    assert reasons(report) == [(f"image/overlay/imagedb/content/sha256/{id[7:]}", Reason.IMAGE)]
    row = image(report, "lost:1")
    assert (row["depth"], row["layers_left"]["links"], row["chain_layers_left"]) == (1, None, None)


def test_a_tag_on_an_image_that_is_not_there_is_a_problem(healthy: PlantedRoot) -> None:
    tags = json.loads((healthy.image_home / "repositories.json").read_text())
    tags["Repositories"]["gone"] = {"gone:1": f"sha256:{'c' * 64}"}
    (healthy.image_home / "repositories.json").write_text(json.dumps(tags))
    report = look_one(healthy.path)
    assert reasons(report) == [("image/overlay/repositories.json", Reason.IMAGE)]
    assert "gone:1" in report.problems[0].what
    assert good_left(report) == EXT4 - 2


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b'{"Repositories":[]}', b'{"Repositories":{"a":7}}', b"\x80"]
)
def test_a_broken_repositories_json_leaves_images_without_tags(
    healthy: PlantedRoot, raw: bytes
) -> None:
    (healthy.image_home / "repositories.json").write_bytes(raw)
    report = look_one(healthy.path)
    assert reasons(report) == [("image/overlay/repositories.json", Reason.IMAGE)]
    assert [i.name for i in report.images] == [None]
    assert report.layers_left[Resource.LINKS] == 64_998
    assert report.scan.complete


# Names and trees.

NASTY = [
    b"not utf-8 \xff\xfe",
    b"new\nline",
    b"quo\"te's\\",
    b"\x1b[31mred\x1b]0;title\x07",
    b"-rf",
]


@pytest.mark.parametrize("name", NASTY)
def test_any_name_is_counted_and_shown_harmlessly(
    planted: PlantedRoot, name: bytes, run: Run
) -> None:
    def fill(tree: Path) -> None:
        file = os.path.join(os.fsencode(tree), name)
        os.close(os.open(file, os.O_CREAT))
        os.link(file, os.fsencode(tree) + b"/zz")

    planted.image(planted.layer((), fill), "nasty:1")
    row = image(look_one(planted.path, EXT4), "nasty:1")
    assert row["layers_left"]["links"] == (EXT4 - 2) // 2
    assert row["tightest"]["path"] == "/" + name.decode("utf-8", "backslashreplace")
    for form in ("table", "json", "metrics"):
        said = run("scan", "--output", form, str(planted.path)).stdout
        assert "\x1b" not in said
        assert "\x07" not in said


def test_names_from_json_that_no_encoding_can_carry_are_escaped(
    healthy: PlantedRoot, run: Run
) -> None:
    raw = json.dumps({"Repositories": {"x": {"x:\ud800\x1b[1m": None}}})
    id = healthy.image(healthy.layer((), a_file()), "other:1")
    (healthy.image_home / "repositories.json").write_text(raw.replace("null", f'"{id}"'))
    for form in ("table", "json", "metrics"):
        done = run("scan", "--output", form, str(healthy.path))
        assert (done.returncode, "\x1b" in done.stdout) == (0, False)
        assert "ud800" in done.stdout


def deep_tree(top: Path, levels: int, name: str) -> None:
    """Make folders in each other, far beyond what one path can say, and a file at the bottom."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    bottom = os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    os.close(bottom)
    os.link("bottom", "again", src_dir_fd=fd, dst_dir_fd=fd)
    os.close(fd)


def test_three_thousand_levels_and_paths_of_a_hundred_kilobytes_are_walked(
    healthy: PlantedRoot,
) -> None:
    def fill(tree: Path) -> None:
        deep_tree(tree, 3000, "d" * 40)
        (tree / "sibling").mkdir()
        (tree / "sibling/file").write_text("x")

    diffs = healthy.layer((), fill)
    healthy.image(diffs, "deep:1")
    opened = len(os.listdir("/proc/self/fd"))
    report = look_one(healthy.path, EXT4)
    assert len(os.listdir("/proc/self/fd")) == opened
    row = image(report, "deep:1")
    assert row["layers_left"]["links"] == (EXT4 - 2) // 2
    assert row["tightest"]["path"] == f"/{'d' * 40}" * 3000 + "/again"
    assert good_left(report) == EXT4 - 2
    assert report.scan.complete
    subprocess.run(["rm", "-rf", str(healthy.tree(diffs))], check=True)


def test_a_deep_tree_needs_few_descriptors(healthy: PlantedRoot) -> None:
    diffs = healthy.layer((), lambda tree: deep_tree(tree, 2000, "d"))
    healthy.image(diffs, "deep:1")
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))\n"
        "sys.argv = ['x', 'scan', '--output', 'json', sys.argv[1]]\n"
        "from exporter.cli import main; main()"
    )
    words = [sys.executable, "-c", script, str(healthy.path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["roots"][0]["problems"] == []
    subprocess.run(["rm", "-rf", str(healthy.tree(diffs))], check=True)


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder where a million names are made quickly, if there is one."""
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and os.statvfs(shared).f_ffree > 2_000_000
    folder = tempfile.mkdtemp(dir=shared if roomy else tmp_path)
    yield Path(folder)
    subprocess.run(["rm", "-rf", folder], check=True)


def test_a_directory_of_a_million_names_is_counted_in_bounded_memory(in_memory: Path) -> None:
    root = PlantedRoot(in_memory / "docker")

    def fill(tree: Path) -> None:
        fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
        for file in range(20):
            os.close(os.open(f"f{file}", os.O_CREAT, dir_fd=fd))
            for i in range(49_999):
                os.link(f"f{file}", f"n{file}-{i}", src_dir_fd=fd, dst_dir_fd=fd)
        os.close(fd)

    root.image(root.layer((), fill), "wide:1")
    config = in_memory / "config.yml"
    config.write_text(f"links_limits: {{{root.path}: {EXT4}}}\n")
    script = (
        "import sys; sys.argv = ['x', 'scan', '--output', 'json', *sys.argv[1:]]\n"
        "from exporter.cli import main\n"
        "try: main()\n"
        "finally: print(open('/proc/self/status').read(), file=sys.stderr)"
    )
    words = [sys.executable, "-c", script, f"--config.file={config}", str(root.path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)["roots"][0]
    rows = {row["name"]: row for row in report["images"]}
    assert rows["wide:1"]["tightest"]["names"] == 50_000
    assert rows["wide:1"]["layers_left"]["links"] == 0
    assert report["scan"]["entries"] == 1_000_000
    (peak_kib,) = re.findall(r"VmHWM:\s+(\d+) kB", done.stderr)
    assert int(peak_kib) < 150 * 1024


def test_fifos_sockets_and_symlinks_are_not_files_but_cost_inodes(
    planted: PlantedRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(tree: Path) -> None:
        (tree / "file").write_text("x")
        os.mkfifo(tree / "fifo")
        os.link(tree / "fifo", tree / "fifo2")
        monkeypatch.chdir(tree)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket")
        (tree / "to-etc").symlink_to("/etc")
        (tree / "to-up").symlink_to("..")
        (tree / "to-nothing").symlink_to("nothing")

    diffs = planted.layer((), fill)
    planted.image(diffs, "odd:1")
    report = look_one(planted.path, EXT4)
    assert (report.links_max, report.inodes_over) == (1, dict.fromkeys(report.inodes_over or (), 0))
    assert oracle.tree_facts(planted.tree(diffs))[2] == 7
    free = os.statvfs(planted.path).f_ffree
    left = image(report, "odd:1")["layers_left"]["inodes"]
    assert abs(left - oracle.copy_steps_left(free, 7)) < 100


@pytest.mark.root
def test_devices_and_whiteouts_are_not_files(planted: PlantedRoot) -> None:
    need_root()

    def fill(tree: Path) -> None:
        os.mknod(tree / "whiteout", 0o020000, os.makedev(0, 0))
        for i in range(5):
            os.link(tree / "whiteout", tree / f"w{i}")
        (tree / "file").write_text("x")

    planted.image(planted.layer((), fill), "dev:1")
    report = look_one(planted.path, EXT4)
    assert report.links_max == 1
    assert image(report, "dev:1")["layers_left"]["links"] == EXT4 - 1


@pytest.mark.root
def test_a_file_mounted_over_another_is_not_counted_and_is_told(healthy: PlantedRoot) -> None:
    need_root()

    def fill(tree: Path) -> None:
        (tree / "a").write_text("a")
        (tree / "hot").write_text("x")
        for i in range(30):
            os.link(tree / "hot", tree / f"hot{i}")

    diffs = healthy.layer((), fill)
    healthy.image(diffs, "covered:1")
    tree = healthy.tree(diffs)
    with mounted("--bind", str(tree / "hot"), str(tree / "a")):
        report = look_one(healthy.path, EXT4)
    assert reasons(report) == [(f"overlay/{tree.parent.name}/root/a", Reason.MOUNT)]
    assert as_json(report)["tightest"]["names"] == 31
    assert good_left(report) == EXT4 - 2
    assert not report.scan.complete


@pytest.mark.root
def test_another_filesystem_mounted_in_a_layer_is_not_entered(healthy: PlantedRoot) -> None:
    need_root()
    diffs = healthy.layer((), lambda tree: (tree / "mnt").mkdir())
    healthy.image(diffs, "mounted:1")
    point = healthy.tree(diffs) / "mnt"
    with mounted("-t", "tmpfs", "none", str(point)):
        (point / "file").write_text("x")
        os.link(point / "file", point / "file2")
        report = look_one(healthy.path, EXT4)
    assert reasons(report) == [(str(point).removeprefix(f"{healthy.path}/"), Reason.MOUNT)]
    assert report.links_max == 2
    assert good_left(report) == EXT4 - 2


@pytest.mark.root
def test_a_whole_tree_on_another_filesystem_is_told_and_the_rest_is_right(
    healthy: PlantedRoot,
) -> None:
    need_root()
    diffs = healthy.layer((), a_file())
    healthy.image(diffs, "away:1")
    with mounted("-t", "tmpfs", "none", str(healthy.tree(diffs))):
        report = look_one(healthy.path, EXT4)
    assert {r for _, r in reasons(report)} == {Reason.MOUNT}
    assert image(report, "away:1")["layers_left"] == {"links": None, "inodes": None, "depth": 124}
    assert good_left(report) == EXT4 - 2


def test_a_layer_whose_root_is_gone_is_not_taken_for_one_that_cannot_run_out(
    healthy: PlantedRoot,
) -> None:
    diffs = healthy.layer((), a_file())
    healthy.image(diffs, "hollow:1")
    shutil.rmtree(healthy.tree(diffs))
    report = look_one(healthy.path, EXT4)
    row = image(report, "hollow:1")
    assert row["layers_left"] == {"links": None, "inodes": None, "depth": 124}
    assert (row["chain_layers_left"], report.inodes_over) == (None, None)
    assert report.scan.coverage == 2 / 3


def test_unreadable_records_leave_nothing_told_as_whole(healthy: PlantedRoot) -> None:
    with open_to_all(healthy.path):
        (healthy.path / "image").chmod(0)
        (report,) = as_nobody(healthy.path)
        (healthy.path / "image").chmod(0o755)
    assert (report["up"], report["depth_max"], report["layers_left"]) == (
        True,
        None,
        {"depth": None},
    )
    assert (report["scan"]["coverage"], report["scan"]["complete"]) == (0.0, False)
    assert report["inodes"] is None


def test_an_unreadable_layer_folder_is_one_problem_and_lowers_the_coverage(
    healthy: PlantedRoot,
) -> None:
    diffs = healthy.layer((), a_file())
    folder = healthy.tree(diffs).parent
    with open_to_all(healthy.path):
        folder.chmod(0)
        (report,) = as_nobody(healthy.path)
        folder.chmod(0o755)
    assert [(p["where"], p["reason"]) for p in report["problems"]] == [(str(folder), "unreadable")]
    assert report["scan"]["coverage"] == 2 / 3


def test_an_engine_that_never_had_a_layer_has_no_problem(planted: PlantedRoot) -> None:
    (planted.image_home / "layerdb/sha256").rmdir()
    report = look_one(planted.path)
    assert (report.up, report.problems, report.scan.coverage) == (True, (), 1.0)


def test_a_reference_that_names_two_images_is_a_problem(healthy: PlantedRoot) -> None:
    ids = [healthy.image(healthy.layer((), a_file())) for _ in range(2)]
    tags = {name: {"x:1": id} for name, id in zip(("x", "y"), ids, strict=True)}
    (healthy.image_home / "repositories.json").write_text(json.dumps({"Repositories": tags}))
    report = look_one(healthy.path)
    assert reasons(report) == [("image/overlay/repositories.json", Reason.IMAGE)]
    assert [i.names for i in report.images].count(("x:1",)) == 1


def test_many_folders_that_hold_names_of_one_file_cost_no_more_for_being_deep(
    tmp_path: Path,
) -> None:
    def spent(depth: int) -> float:
        def fill(tree: Path) -> None:
            deep = tree.joinpath(*["d"] * depth)
            (tree / "hot").touch()
            os.makedirs(deep)
            for i in range(4000):
                os.mkdir(deep / f"w{i}")
                os.link(tree / "hot", deep / f"w{i}/hot")

        root = PlantedRoot(tmp_path / str(depth))
        root.image(root.layer((), fill), "wide:1")
        begun = time.process_time()
        report = look_one(root.path, EXT4)
        took = time.process_time() - begun
        row = image(report, "wide:1")
        assert row["tightest"]["names"] == 4001
        assert row["tightest"]["path"] == f"{'/d' * depth}/w0/hot"
        subprocess.run(["rm", "-rf", str(root.path)], check=True)
        return took

    # A path built from its top for each name made it ten times as dear, and more when deeper.
    assert spent(900) < 5 * spent(5)


def test_a_merged_folder_is_never_entered(healthy: PlantedRoot) -> None:
    folder = healthy.home / ("e" * 64)
    for below in ("upper", "work", "merged"):
        (folder / below).mkdir(parents=True)
    (folder / "lower-id").write_text("x")
    (folder / "merged/file").write_text("x")
    for i in range(50):
        os.link(folder / "merged/file", folder / f"merged/n{i}")
    assert look_one(healthy.path).links_max == 2


# A root that moves while we look.


def test_layers_and_files_that_come_and_go_are_life_not_trouble(planted: PlantedRoot) -> None:
    base = planted.layer((), lambda tree: [a_file(f"f{i}")(tree) for i in range(200)])
    planted.image(base, "base:1")
    stop = threading.Event()
    failed: list[BaseException] = []

    def churn() -> None:
        try:
            while not stop.is_set():
                diffs = planted.layer(base, a_file("more"))
                container = planted.home / planted.new_id()
                (container / "upper").mkdir(parents=True)
                (container / "lower-id").write_text("x")
                for i in range(50):
                    a_file(f"c{i}")(container / "upper")
                chain = chain_ids(diffs)[-1][7:]
                record = planted.image_home / "layerdb/sha256" / chain
                folder = planted.home / (record / "cache-id").read_text()
                going = record.with_name(f"{chain}-{'a' * 64}-removing")
                record.rename(going)
                shutil.rmtree(folder)
                shutil.rmtree(going)
                shutil.rmtree(container)
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        reports = [look_one(planted.path, EXT4) for _ in range(150)]
    finally:
        stop.set()
        thread.join()
    assert not failed
    lefts = {image(r, "base:1")["layers_left"]["links"] for r in reports}
    assert lefts <= {EXT4 - 1, EXT4 - 2}
    told = {p for r in reports for p in r.problems}
    assert {p.reason for p in told} <= {Reason.CHANGED}, told
    after = look_one(planted.path, EXT4)
    assert (after.problems, after.scan.complete) == ((), True)
    assert image(after, "base:1")["layers_left"]["links"] == EXT4 - 1


def test_two_reports_of_the_same_root_are_the_same(healthy: PlantedRoot) -> None:
    first, second = (as_json(r) for r in (look(healthy.path)[0], look(healthy.path)[0]))
    for report in (first, second):
        report.pop("scan")
        report["layers_left"].pop("inodes")
        for row in report["images"]:
            row["layers_left"].pop("inodes")
            row["chain_layers_left"].pop("inodes")
    assert first == second


def test_text_for_a_terminal_is_one_line_without_controls() -> None:
    assert one_line("a\nb\x1b[1m\u202ec\x9b") == "a\\x0ab\\x1b[1m\\u202ec\\x9b"
