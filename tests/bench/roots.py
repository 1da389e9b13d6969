"""Large overlay roots with real hard links, for measuring: two shapes of a build host.

Each tree is much like a distribution's: a tenth are folders, one inode has a two hundredth of all
names (busybox, yumdb), the other files have one name each. Each further layer adds, replaces
and removes a few, and has its record of that, as the engine writes it.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from layertar import layer_tar, split_of

from exporter.demo.planted import PlantedRoot


@dataclass(frozen=True)
class Shape:
    """So many images of so many layers of their own, on so many that they share.

    `names` is what one layer's tree holds, on average.
    """

    word: str
    images: int
    own: int
    shared: int
    names: int

    @property
    def layers(self) -> int:
        """All layers."""
        return self.images * self.own + self.shared


def deep(names: int) -> Shape:
    """Twenty images of fifty layers, with this many names in all."""
    return Shape("deep", 20, 50, 0, names // 1000)


def broad(names: int) -> Shape:
    """Five hundred images of two layers on fifteen that they share, with this many names in all."""
    return Shape("broad", 500, 2, 15, names // 1015)


def tree_program(folder: Path) -> Path:
    """Build `tree.c`."""
    made = folder / "tree"
    source = Path(__file__).with_name("tree.c")
    subprocess.run(["cc", "-O2", "-Wall", "-o", str(made), str(source)], check=True)
    return made


class LargeRoot(PlantedRoot):
    """A root that is built fast: a C program links the trees, and a layer tells what it changed."""

    def __init__(self, path: Path, shape: Shape, tree_program: Path) -> None:
        super().__init__(path)
        self.shape = shape
        self._program = tree_program
        self._touched: tuple[list[str], list[str]] = ([], [])
        self._step = 0
        self.last: tuple[str, ...] = ()

    def clone(self, parent: Path, made: Path) -> None:
        words = [str(self._program), "link", str(parent), str(made)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)

    def split(self, parent: Path | None, tree: Path) -> bytes:
        return split_of(layer_tar(tree, *self._touched))

    def build(self) -> None:
        """Make all images of the shape."""
        shape = self.shape
        shared = self.chain((), shape.shared)
        for number in range(shape.images):
            self.last = self.chain(shared, shape.own)
            self.image(self.last, f"image{number:03}:latest")

    def chain(self, below: tuple[str, ...], layers: int) -> tuple[str, ...]:
        """Stack layers, the first of all being a base."""
        for _ in range(layers):
            below = self.layer(below, self.step if below else self.base)
        return below

    def base(self, tree: Path) -> None:
        """Make the tree of a base layer."""
        names = self.shape.names - (self.shape.own + self.shape.shared) * self.few // 2
        there: list[str] = []
        folder = ""
        for i in range(names):
            if i % 10 == 0:
                folder = f"usr/lib/package{i // 100:03}/{i:06}"
                os.makedirs(tree / folder)
                there.append(folder)
            elif i % 200 == 1 and i > 1:
                os.link(tree / "usr/lib/package000/000000/f1", tree / folder / f"h{i}")
                there.append(f"{folder}/h{i}")
            else:
                (tree / folder / f"f{i % 10}").touch()
                there.append(f"{folder}/f{i % 10}")
        self._touched = there, []

    def step(self, tree: Path) -> None:
        """Make a layer that adds a few files, replaces some and removes some."""
        self._step += 1
        folder = f"srv/step{self._step:04}"
        os.makedirs(tree / folder)
        added = [f"{folder}/f{i}" for i in range(self.few)]
        place = f"usr/lib/package000/{10 * (self._step % 5 + 1):06}"
        replaced = [f"{place}/f{i}" for i in (2, 3)]
        removed = [f"{place}/f{i}" for i in (4, 5) if (tree / place / f"f{i}").exists()]
        for name in (*replaced, *removed):
            (tree / name).unlink()
        for name in (*added, *replaced):
            (tree / name).touch()
        self._touched = [*added, *replaced, "srv", folder], removed

    @property
    def few(self) -> int:
        """How many files a layer adds."""
        return max(4, self.shape.names // 250)
