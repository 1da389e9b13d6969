"""The figures against a real Docker Engine with the overlay (v1) driver."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import oracle
import pytest
from engine import BUSYBOX, Engine, tar
from looking import as_json, image, look_one

from exporter.model import Kind, Resource

pytestmark = [pytest.mark.engine, pytest.mark.root]

EXT4 = 65_000


def import_base(engine: Engine, tag: str, fill: Callable[[Path], None], scratch: Path) -> None:
    tree = scratch / "base"
    tree.mkdir()
    fill(tree)
    engine.import_tree(tree, tag)
    shutil.rmtree(tree)


def copy_steps(count: int, start: int = 0) -> tuple[list[str], dict[str, str]]:
    """Give Dockerfile lines that each add one new file, and the files."""
    names = [f"step{start + i:03}" for i in range(count)]
    return [f"COPY {n} /{n}" for n in names], {n: f"{n}\n" for n in names}


def steps_done(said: str) -> int:
    """Count the steps after FROM that the builder finished."""
    return len(re.findall(r"^ ---> [0-9a-f]{12}$", said, re.MULTILINE)) - 1


def the_file(engine: Engine, name: str) -> os.stat_result:
    """Stat a file by its name in whichever layer has it."""
    return next(engine.root.glob(f"overlay/*/root/{name}")).lstat()


def tree_of(engine: Engine, tag: str) -> Path:
    """The tree of an image's top layer."""
    layer: str = image(look_one(engine.root), tag)["tightest"]["layer"]
    return engine.root / "overlay" / layer / "root"


@contextmanager
def links_from_outside(engine: Engine, taken: dict[Path, int]) -> Iterator[None]:
    """Take links of files from elsewhere on the same disk, as a backup by `cp -al` would."""
    folder = engine.root / "outside"  # the engine mounts its root onto itself: no link leaves it
    folder.mkdir()
    for file, count in taken.items():
        for i in range(count):
            os.link(file, folder / f"{file.name}{i}")
    try:
        yield
    finally:
        shutil.rmtree(folder)


def test_the_articles_experiment_counts_three_two_and_one_links(
    overlay_engine: Engine, tmp_path: Path
) -> None:
    import_base(overlay_engine, "article-base:1", lambda t: _write(t / "etc-base"), tmp_path)
    lines = ["FROM article-base:1", "COPY aa /aa", "COPY bb /bb", "COPY cc /cc"]
    files = {"aa": "aa\n", "bb": "bb\n", "cc": "cc\n"}
    overlay_engine.build(lines, files, "article:1")
    links = [the_file(overlay_engine, n).st_nlink for n in ("aa", "bb", "cc")]
    assert links == [3, 2, 1]
    row = image(look_one(overlay_engine.root), "article:1")
    assert (row["depth"], row["layers_left"]["depth"]) == (4, 121)
    assert row["tightest"]["path"] == "/etc-base"
    assert row["tightest"]["links"] == 4
    assert row["layers_left"]["links"] == EXT4 - 4


def test_a_running_container_and_its_merged_folder_change_no_figure(
    overlay_engine: Engine, tmp_path: Path
) -> None:
    import_base(overlay_engine, "runs:1", _busybox(5), tmp_path)
    before = look_one(overlay_engine.root)
    name = overlay_engine.docker(
        "run", "-d", "--network", "none", "runs:1", "/bin/busybox", "sleep", "600"
    ).strip()
    assert list(overlay_engine.root.glob("overlay/*/merged/bin/busybox"))
    during = look_one(overlay_engine.root)
    overlay_engine.docker("rm", "-f", name)
    assert during.layers[Kind.CONTAINER] == before.layers[Kind.CONTAINER] + 2
    for figure in ("links_max", "layers_left", "depth_max", "images", "inodes_over"):
        if figure == "layers_left":
            assert during.layers_left[Resource.LINKS] == before.layers_left[Resource.LINKS]
        elif figure == "images":
            assert [(i.name, i.tightest) for i in during.images] == [
                (i.name, i.tightest) for i in before.images
            ]
        elif figure == "inodes_over":
            assert (during.inodes_over or {})[10] == (before.inodes_over or {})[10]
        else:
            assert getattr(during, figure) == getattr(before, figure)


def _one_inode_of_2000_names(tree: Path) -> None:
    _write(tree / "hot")
    for i in range(1999):
        os.link(tree / "hot", tree / f"n{i}")


def _yum_like(tree: Path) -> None:
    """Four attribute values, each one inode with a name in every one of 300 packages' folders."""
    for package in range(300):
        folder = tree / f"var/lib/yum/yumdb/p/package-{package:03}"
        folder.mkdir(parents=True)
        for attribute in ("checksum_type", "from_repo", "installed_by", "reason"):
            first = tree / "var/lib/yum/yumdb/p/package-000" / attribute
            if package == 0:
                _write(first)
            else:
                os.link(first, folder / attribute)


def _two_hot_inodes(tree: Path) -> None:
    """One inode with many names, and one with few that is nearer to the limit but lasts longer."""
    for name, count in (("wide", 400), ("far", 7)):
        _write(tree / f"{name}000")
        for i in range(1, count):
            os.link(tree / f"{name}000", tree / f"{name}{i:03}")


def _busybox(names: int) -> Callable[[Path], None]:
    def fill(tree: Path) -> None:
        (tree / "bin").mkdir()
        shutil.copy(BUSYBOX, tree / "bin/busybox")
        for i in range(1, names):
            os.link(tree / "bin/busybox", tree / f"bin/applet{i:03}")

    return fill


BASES = {
    "2000-names": (_one_inode_of_2000_names, {"hot": EXT4 - 2000 * 9 - 777}),
    "yum-like": (_yum_like, {"var/lib/yum/yumdb/p/package-000/reason": EXT4 - 300 * 11 - 5}),
    "two-hot-inodes": (_two_hot_inodes, {"wide000": EXT4 - 400 * 10 - 13, "far000": EXT4 - 94}),
}
"""How each base is filled, and how many links of which file are taken from outside; the first runs out."""


@pytest.mark.parametrize("base", BASES)
def test_the_engine_builds_exactly_as_many_layers_as_told_then_fails(
    overlay_engine: Engine, tmp_path: Path, base: str
) -> None:
    fill, taken = BASES[base]
    import_base(overlay_engine, f"{base}:1", fill, tmp_path)
    tree = tree_of(overlay_engine, f"{base}:1")
    with links_from_outside(overlay_engine, {tree / f: n for f, n in taken.items()}):
        told = image(look_one(overlay_engine.root), f"{base}:1")
        left = told["layers_left"]["links"]
        assert 5 <= left <= 12
        assert told["tightest"]["inode"] == (tree / next(iter(taken))).lstat().st_ino
        lines, files = copy_steps(left + 1)
        said = overlay_engine.build([f"FROM {base}:1", *lines], files, f"{base}-top:1")
        assert "too many links" in said
        assert steps_done(said) == left
        assert image(look_one(overlay_engine.root), f"{base}:1")["layers_left"]["links"] == 0
    overlay_engine.docker("image", "prune", "-f")
    overlay_engine.docker("rmi", "-f", f"{base}:1")


def test_an_exhausted_busybox_still_runs_but_even_an_env_step_on_it_fails(
    overlay_engine: Engine, tmp_path: Path
) -> None:
    import_base(overlay_engine, "busybox:1", _busybox(269), tmp_path)
    file = tree_of(overlay_engine, "busybox:1") / "bin/busybox"
    with links_from_outside(overlay_engine, {file: EXT4 - 269 * 8 - 171}):
        assert image(look_one(overlay_engine.root), "busybox:1")["layers_left"]["links"] == 7
        lines, files = copy_steps(8)
        said = overlay_engine.build(["FROM busybox:1", *lines], files, "busybox-top:1")
        assert "too many links" in said
        assert steps_done(said) == 7
        exhausted = image(look_one(overlay_engine.root), "busybox:1")
        assert exhausted["layers_left"]["links"] == 0
        assert exhausted["tightest"]["links"] == EXT4 - 171
        ran = overlay_engine.docker(
            *("run", "--rm", "--network", "none", "busybox:1"),
            *("/bin/busybox", "echo", "it still runs"),
        )
        assert "it still runs" in ran
        said = overlay_engine.build(["FROM busybox:1", "ENV A=1"], {}, "busybox-env:1")
        assert "too many links" in said
    overlay_engine.docker("image", "prune", "-f")


def test_by_depth_125_layers_fit_and_the_next_is_refused(overlay_engine: Engine) -> None:
    layers = [tar({f"f{i:03}": b"x"}) for i in range(121)]
    overlay_engine.load(layers, "deep:1")
    told = image(look_one(overlay_engine.root), "deep:1")
    assert (told["depth"], told["layers_left"]["depth"]) == (121, 4)
    lines, files = copy_steps(5)
    said = overlay_engine.build(["FROM deep:1", *lines], files, "deeper:1")
    assert "max depth exceeded" in said
    assert steps_done(said) == 4
    report = look_one(overlay_engine.root)
    assert (report.depth_max, report.layers_left[Resource.DEPTH]) == (125, 0)
    overlay_engine.docker("image", "prune", "-f")
    overlay_engine.docker("rmi", "-f", "deep:1")


def test_every_figure_of_an_engines_root_equals_a_brute_force_count(
    overlay_engine: Engine, tmp_path: Path
) -> None:
    import_base(overlay_engine, "brute:1", _busybox(30), tmp_path)
    lines, files = copy_steps(3)
    lines.insert(1, 'RUN ["/bin/busybox", "rm", "/bin/applet007"]')
    said = overlay_engine.build(["FROM brute:1", *lines], files, "brute:2")
    assert "Successfully tagged" in said, said
    space = os.statvfs(overlay_engine.root)
    report = look_one(overlay_engine.root)
    wanted = oracle.figures(overlay_engine.root, EXT4, space.f_ffree)
    found = as_json(report)
    assert found["links_max"] == wanted["links_max"]
    assert found["inodes"] == wanted["inodes"]
    assert found["depth_max"] == wanted["depth_max"]
    assert found["layers_left"]["links"] == wanted["links"]
    rows = {row["id"]: row for row in found["images"]}
    assert rows.keys() == wanted["images"].keys()
    for id, want in wanted["images"].items():
        row = rows[id]
        assert (row["names"], row["depth"]) == (want["names"], want["depth"])
        assert row["layers_left"].get("links") == want["links"]
        assert row["chain_layers_left"].get("links") == want["chain"]
    listed = set(overlay_engine.docker("images", "-q", "--no-trunc").split())
    assert listed == set(rows)


def _write(path: Path) -> None:
    path.write_text(f"{path.name}\n")
