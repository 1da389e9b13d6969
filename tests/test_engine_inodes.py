"""Layers left by inodes against a real Docker Engine, on ext4 and tmpfs with few inodes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import need_engine
from disks import disk, mounted
from engine import BUSYBOX, Engine, engine, tar, tar_of
from looking import look_one
from needs import need_program

from exporter.model import Resource
from exporter.thinking.headroom import STEP_KEEPS, STEP_PEAK, XATTR_PEAK

pytestmark = [pytest.mark.engine, pytest.mark.root]

FILES = 20
MOUNTS = 1
"""The folder of mounts, which the first build of all makes."""


@dataclass
class Full:
    """An engine on a filesystem of its own, whose free inodes the test sets by files of its own."""

    engine: Engine
    point: Path
    names_cost: bool
    steps: int = 0

    @property
    def free(self) -> int:
        return os.statvfs(self.point).f_ffree

    def leave(self, free: int) -> None:
        """Make empty files, or remove some, until so many inodes are free."""
        dummies = self.point / "dummies"
        dummies.mkdir(exist_ok=True)
        there = len(os.listdir(dummies))
        wanted = there + self.free - free
        for i in range(there, wanted):
            (dummies / str(i)).touch()
        for i in range(wanted, there):
            (dummies / str(i)).unlink()
        assert self.free == free

    def told_with(self, free: int) -> int | None:
        """Leave so many inodes, and tell what a scan says."""
        self.leave(free)
        return self.told()

    def told(self) -> int | None:
        """What a scan of the engine's root says."""
        return look_one(self.engine.root).layers_left[Resource.INODES]

    def tree(self, directories: int, files: int = 0) -> int:
        """What linking a tree again takes, its top folder included."""
        return 1 + directories + (files if self.names_cost else 0)

    def step(self, image: str, line: str = "COPY file /{}") -> str | None:
        """Build a step on an image; give the new image, None if there were too few inodes."""
        self.steps += 1
        lines = [f"FROM {image}", line.format(f"new{self.steps}")]
        said = self.engine.build(lines, {"file": f"{self.steps}\n"}, f"step:{self.steps}")
        if f"Successfully tagged step:{self.steps}" in said:
            return f"step:{self.steps}"
        assert "no space left on device" in said, said
        return None

    def needed(self, steps: int, tree: int) -> int:
        """How many inodes so many COPY steps on a tree need."""
        earlier = range(steps - 1)
        keep = sum(tree + STEP_KEEPS + (i if self.names_cost else 0) for i in earlier)
        peak = tree + STEP_PEAK + (len(earlier) + XATTR_PEAK if self.names_cost else 0)
        return keep + peak


@contextmanager
def on(fstype: str, folder: Path, inodes: int) -> Iterator[Full]:
    """Run an engine on a filesystem of so many inodes."""
    if fstype == "ext4":
        need_program("mkfs.ext4")
        filesystem = disk(folder, "400M", ["mkfs.ext4", "-q", "-N", str(inodes)])
    else:
        filesystem = mounted_tmpfs(folder / "disk", inodes)
    with filesystem as point, engine(point, "overlay") as running:
        yield Full(running, point, names_cost=fstype == "tmpfs")


@contextmanager
def mounted_tmpfs(point: Path, inodes: int) -> Iterator[Path]:
    point.mkdir()
    with mounted("-t", "tmpfs", "-o", f"nr_inodes={inodes}", "none", str(point)):
        yield point


def import_base(full: Full, folder: Path, directories: int) -> None:
    """Make `base`: directories below the top one, and a few files."""
    tree = folder / "base"
    tree.mkdir()
    for i in range(directories):
        (tree / f"d{i:04}").mkdir()
    for i in range(FILES):
        (tree / f"d{i % directories:04}" / f"f{i:02}").write_text(f"{i}\n")
    full.engine.import_tree(tree, "base")


@pytest.mark.parametrize(("directories", "steps"), [(7, 6), (300, 3), (3000, 2)])
@pytest.mark.parametrize("fstype", ["ext4", "tmpfs"])
def test_as_many_copy_steps_fit_as_are_told_by_inodes_and_the_next_fails(
    tmp_path: Path, fstype: str, directories: int, steps: int
) -> None:
    with on(fstype, tmp_path, 2000 + 5 * directories) as full:
        import_base(full, tmp_path, directories)
        tree, newest = full.tree(directories, FILES), "base"
        assert full.told_with(MOUNTS + full.needed(steps, tree) - 1) == steps - 1
        told = [full.told_with(MOUNTS + full.needed(steps, tree))]
        while top := full.step(newest):
            newest = top
            told.append(full.told())
        assert told == list(range(steps, -1, -1))

        tree += steps if full.names_cost else 0
        assert full.told_with(full.needed(2, tree) - 1) == 1
        newest = full.step(newest) or "none"
        assert (full.told(), full.step(newest)) == (0, None)


def test_other_steps_need_more_inodes_for_a_moment(tmp_path: Path) -> None:
    lines = {
        "COPY file /bin/{}": 1,  # the folder above the file
        "ENV {}=x": 32,
        'RUN ["busybox", "touch", "/{}"]': 39,
    }
    with on("ext4", tmp_path, 2000) as full:
        base = tmp_path / "base"
        (base / "bin").mkdir(parents=True)
        shutil.copy(BUSYBOX, base / "bin/busybox")
        full.engine.import_tree(base, "base")
        assert full.step("base")
        for line, more in lines.items():
            needed = full.needed(1, full.tree(1)) + more
            full.leave(needed - 1)
            assert full.step("base", line) is None
            full.leave(needed)
            assert full.step("base", line)


def test_a_loaded_layer_keeps_fewer_inodes_and_its_archive_takes_two_while_it_is_loaded(
    tmp_path: Path,
) -> None:
    layers = 4
    with on("ext4", tmp_path, 2000) as full:
        base = tmp_path / "base"
        (base / "d").mkdir(parents=True)
        archives = [tar_of(base), *(tar({f"f{i}": b"x"}) for i in range(layers))]
        full.engine.load(archives[:1], "base:latest")
        assert full.step("base")
        keeps = layers * (full.tree(1) + STEP_KEEPS - 4) + 1
        full.leave(keeps + 2 * layers + 4)
        assert "no space left on device" in full.engine.load(archives, "top:1")
        full.leave(keeps + 2 * layers + 5)
        assert "Loaded image: top:1" in full.engine.load(archives, "top:1")
        assert full.free == 2 * layers + 5


@pytest.fixture(autouse=True)
def _programs() -> None:
    need_engine()
