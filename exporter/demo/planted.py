"""A Docker root of the overlay (v1) driver, made by hand as the engine makes one: real hard links.

It follows the engine's own order (moby v20.10.24 `daemon/graphdriver/overlay/overlay.go`,
`layer/filestore.go`): the parent's names are linked into `tmproot`, the change is applied,
`tmproot` becomes `root`, and the layer is in layerdb by one rename.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from exporter.thinking.chains import chain_ids

Change = Callable[[Path], object]
"""Applies a layer's change to its tree."""


class PlantedRoot:
    """A root that grows. `diffs` below are an image's diff ids, base first."""

    def __init__(self, path: Path, driver: str = "overlay") -> None:
        self.path = path
        self.driver = driver
        self._serial = 0
        self._tags: dict[str, dict[str, str]] = {}
        for folder in (
            driver,
            f"image/{driver}/imagedb/content/sha256",
            f"image/{driver}/imagedb/metadata/sha256",
            f"image/{driver}/layerdb/sha256",
            f"image/{driver}/layerdb/mounts",
            f"image/{driver}/layerdb/tmp",
        ):
            (path / folder).mkdir(parents=True, exist_ok=True)
        self._write_tags()

    @property
    def home(self) -> Path:
        """The driver's folder."""
        return self.path / self.driver

    @property
    def image_home(self) -> Path:
        """The folder of the engine's own records."""
        return self.path / "image" / self.driver

    def new_id(self) -> str:
        """A fresh 64-digit id."""
        self._serial += 1
        return hashlib.sha256(f"{self.path} {self._serial}".encode()).hexdigest()

    def cache_id(self, chain: str) -> str:
        """Which folder of the driver holds a layer."""
        return (self.image_home / "layerdb/sha256" / chain[7:] / "cache-id").read_text()

    def tree(self, diffs: Iterable[str]) -> Path:
        """The tree of the top layer of these diffs."""
        return self.home / self.cache_id(chain_ids(tuple(diffs))[-1]) / self._tree_name

    def layer(self, below: tuple[str, ...], change: Change) -> tuple[str, ...]:
        """Stack a layer on these diffs, and give the diffs of its chain."""
        folder = self.home / self.new_id()
        parent = self.tree(below) if below and self.driver == "overlay" else None
        made = folder / ("tmproot1" if parent else self._tree_name)
        if parent is None:
            made.mkdir(parents=True)
        else:
            folder.mkdir()
            self.clone(parent, made)
        change(made)
        split = self.split(parent, made)
        if parent is not None:
            made.rename(folder / self._tree_name)
        diffs = (*below, f"sha256:{self.new_id()}")
        self._register(diffs, folder.name, split)
        return diffs

    def clone(self, parent: Path, made: Path) -> None:
        """Link every name of a tree again."""
        shutil.copytree(parent, made, symlinks=True, copy_function=os.link)

    def split(self, parent: Path | None, tree: Path) -> bytes | None:
        """The record of what a layer changed (`tar-split.json.gz`); here there is none."""

    @property
    def _tree_name(self) -> str:
        return "root" if self.driver == "overlay" else "diff"

    def _register(self, diffs: tuple[str, ...], cache_id: str, split: bytes | None) -> None:
        chains = chain_ids(diffs)
        writing = self.image_home / "layerdb/tmp" / f"write-set-{self._serial}"
        writing.mkdir()
        if split is not None:
            (writing / "tar-split.json.gz").write_bytes(split)
        (writing / "diff").write_text(diffs[-1])
        (writing / "cache-id").write_text(cache_id)
        if len(chains) > 1:
            (writing / "parent").write_text(chains[-2])
        writing.rename(self.image_home / "layerdb/sha256" / chains[-1][7:])

    def image(self, diffs: Iterable[str], *tags: str, parent: str | None = None) -> str:
        """Record an image on these diffs, tag it, and give its id."""
        self._serial += 1
        config = {
            "serial": self._serial,
            "rootfs": {"type": "layers", "diff_ids": list(diffs)},
        }
        raw = json.dumps(config).encode()
        id = hashlib.sha256(raw).hexdigest()
        if parent is not None:
            metadata = self.image_home / "imagedb/metadata/sha256" / id
            metadata.mkdir()
            (metadata / "parent").write_text(parent)
        (self.image_home / "imagedb/content/sha256" / id).write_bytes(raw)
        for tag in tags:
            self._tags.setdefault(tag.rpartition(":")[0], {})[tag] = f"sha256:{id}"
        self._write_tags()
        return f"sha256:{id}"

    def _write_tags(self) -> None:
        temporary = self.image_home / ".tmp-repositories.json"
        temporary.write_text(json.dumps({"Repositories": self._tags}))
        temporary.rename(self.image_home / "repositories.json")
