"""Random small roots with real hard links: every figure equals a brute-force count."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import oracle
import pytest
from disks import disk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from looking import as_json, look_one
from needs import need_program, need_root

from exporter.demo.planted import PlantedRoot

NAMES = [f"{folder}{name}" for folder in ("", "d/", "d/e/", "f-g/") for name in "abcxyz"]


@dataclass(frozen=True)
class Step:
    """One layer: on which earlier one (by index; beyond: none), and what it changes."""

    below: int
    writes: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    removes: tuple[str, ...]
    symlinks: tuple[str, ...]
    tag: str | None
    image: bool
    outside: int


steps = st.builds(
    Step,
    below=st.integers(0, 9),
    writes=st.lists(st.sampled_from(NAMES), max_size=5).map(tuple),
    links=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=6).map(
        tuple
    ),
    removes=st.lists(st.sampled_from([*NAMES, "d", "d/e"]), max_size=3).map(tuple),
    symlinks=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    tag=st.none() | st.sampled_from(["a:1", "a:2", "b/c:1"]),
    image=st.booleans(),
    outside=st.integers(0, 4),
)


def apply(step: Step, tree: Path) -> None:
    """Change a tree as an unpacked layer does: what is written anew is a new inode."""
    for name in step.removes:
        _clear(tree / name)
    for name in step.writes:
        _make_room(tree / name)
        (tree / name).write_text(name)
    for source, name in step.links:
        if (tree / source).is_file() and not (tree / source).is_symlink() and source != name:
            _make_room(tree / name)
            if (tree / source).exists():
                os.link(tree / source, tree / name)
    for name in step.symlinks:
        _make_room(tree / name)
        (tree / name).symlink_to("elsewhere")


def _make_room(path: Path) -> None:
    for above in reversed(path.parents):
        if above.is_symlink() or above.is_file():
            above.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def plant(path: Path, script: list[Step]) -> PlantedRoot:
    root = PlantedRoot(path / "docker")
    (path / "outside").mkdir()
    chains: list[tuple[str, ...]] = []
    newest: dict[tuple[str, ...], str] = {}
    for number, step in enumerate(script):
        below = chains[step.below] if step.below < len(chains) else ()
        diffs = root.layer(below, lambda tree, step=step: apply(step, tree))  # type: ignore[misc]
        chains.append(diffs)
        files = [p for p in sorted(root.tree(diffs).rglob("*")) if S_ISREG(p.lstat().st_mode)]
        for i in range(step.outside if files else 0):
            os.link(files[i % len(files)], path / "outside" / f"{number}-{i}")
        if step.image or step.tag:
            tags = [step.tag] if step.tag else []
            newest[diffs] = root.image(diffs, *tags, parent=newest.get(below))
    return root


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(script=st.lists(steps, min_size=1, max_size=9), limit=st.integers(1, 40))
def test_every_figure_equals_a_brute_force_count(script: list[Step], limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = plant(Path(folder), script)
        free = os.statvfs(root.path).f_ffree
        report = look_one(root.path, limit)
        wanted = oracle.figures(root.path, limit, free)
        found = as_json(report)
        trees = {c: oracle.tree_facts(root.home / c / "root") for c in os.listdir(root.home)}
    assert found["links_max"] == wanted["links_max"]
    assert found["inodes"] == wanted["inodes"]
    assert found["depth_max"] == wanted["depth_max"]
    assert found["layers"]["image"] == len(trees)
    assert found["layers_left"].get("links") == wanted["links"]
    assert found["layers_left"]["depth"] == oracle.LIMIT_DEPTH - wanted["depth_max"]
    assert {p["reason"] for p in found["problems"]} <= {"limit_exceeded"}
    rows = {row["id"]: row for row in found["images"]}
    assert rows.keys() == wanted["images"].keys()
    for id, want in wanted["images"].items():
        row = rows[id]
        assert (row["names"], row["depth"]) == (want["names"], want["depth"])
        assert row["layers_left"].get("links") == want["links"]
        assert row["chain_layers_left"].get("links") == want["chain"]
        if want["links"] is not None:
            check_tightest(row["tightest"], trees, limit, want["links"])
    if found["tightest"] is not None:
        check_tightest(found["tightest"], trees, limit, wanted["links"])


def check_tightest(tight: dict, trees: dict, limit: int, left: int) -> None:  # type: ignore[type-arg]
    """See that the inode told gives the minimum, with its own links, names and smallest path."""
    names, links, _ = trees[tight["layer"]]
    inode = tight["inode"]
    assert tight["links"] == links[inode]
    assert tight["names"] == len(names[inode])
    assert tight["path"].encode() == min(names[inode])
    assert max(0, limit - tight["links"]) // tight["names"] == left


@pytest.mark.root
def test_inodes_left_equal_a_brute_force_count(tmp_path: Path) -> None:
    need_root()
    need_program("mkfs.ext4")
    with disk(tmp_path, "200M", ["mkfs.ext4", "-q"]) as point:  # where nobody else writes
        root = PlantedRoot(point / "docker")
        base = root.layer((), lambda tree: (tree / "d/e/f").mkdir(parents=True))
        root.image(base, "a:1")
        root.image(root.layer(base, lambda tree: (tree / "s").symlink_to("x")), "b:1")
        found = as_json(look_one(root.path))
        wanted = oracle.figures(root.path, 65_000, os.statvfs(root.path).f_ffree)
    assert found["layers_left"]["inodes"] == wanted["by_inodes"]
    for row in found["images"]:
        assert row["layers_left"]["inodes"] == wanted["images"][row["id"]]["inodes"]
