"""The model of unpacking (`unpack.py`) does what a real engine does, whatever the archive is."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from conftest import need_engine
from engine import Engine, engine
from fuzzing import SIZE, dices
from looking import check_derived
from randomtar import paths_of, random_archive, random_base
from tarball import Entry, archive_of, record_of
from test_engine_derive import lines
from unpack import RefusedError, clone, unpack

from exporter.thinking.chains import chain_ids

pytestmark = [pytest.mark.engine, pytest.mark.root]

LOG = logging.getLogger(__name__)

Archive = list[Entry]

ARCHIVES = 40
"""Archives of which both are to make the same."""


def listing(tree: bytes) -> dict[bytes, tuple[object, ...]]:
    """What a tree holds: of a regular file, its content and the first of its names."""
    found: dict[bytes, tuple[object, ...]] = {}
    first: dict[int, bytes] = {}
    for folder, directories, files in os.walk(tree):
        directories.sort()
        for name in sorted(directories + files):
            path = os.path.join(folder, name)
            inside, status = path[len(tree) :], os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                content = Path(os.fsdecode(path)).read_bytes()
                found[inside] = "file", content, first.setdefault(status.st_ino, inside)
            elif stat.S_ISLNK(status.st_mode):
                found[inside] = "symlink", os.readlink(path)
            else:
                found[inside] = stat.S_IFMT(status.st_mode), status.st_rdev
    return found


@dataclass
class Compared:
    """Random archives, unpacked by the model and by an engine. `wrong` tells where they differ."""

    running: Engine
    folder: Path
    taken: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    def chain(self, dice: Random, length: int) -> None:
        """Compare an image of so many layers."""
        archives: list[Archive] = []
        for number in range(length):
            below = self._tree(number - 1)
            entries = random_archive(dice, paths_of(below), 6) if number else random_base(dice)
            self._unpack(archives, entries)
            archives.append(entries)
        self.taken += length
        said = self._load(archives)
        if "Loaded image" not in said:
            self.wrong.append(f"refused, {said}: {archives}")
            return
        digests = (hashlib.sha256(archive_of(entries)).hexdigest() for entries in archives)
        for number, chain in enumerate(chain_ids(tuple(f"sha256:{d}" for d in digests))):
            self._compare(archives[: number + 1], chain)

    def _compare(self, archives: Sequence[Archive], chain: str) -> None:
        layer = self.running.root / "image/overlay/layerdb/sha256" / chain[7:]
        tree = self.running.root / "overlay" / (layer / "cache-id").read_text() / "root"
        real, model = listing(os.fsencode(tree)), listing(self._tree(len(archives) - 1))
        if real != model:
            only = set(real.items()) ^ set(model.items())
            self.wrong.append(f"another tree, in {sorted(only, key=str)}: {archives}")
        record = (layer / "tar-split.json.gz").read_bytes()
        if lines(record) != lines(record_of(archives[-1])):
            self.wrong.append(f"another record: {archives[-1]}")

    def _unpack(self, below: Sequence[Archive], entries: Archive) -> None:
        """Unpack by the model; entries that it refuses are left out, if the engine refuses them too."""
        tree = self._tree(len(below))
        while True:
            shutil.rmtree(tree, ignore_errors=True)
            if below:
                clone(self._tree(len(below) - 1), tree)
            else:
                os.mkdir(tree)
            try:
                unpack(tree, entries)
            except RefusedError as refused:
                self.refused += 1
                if not refused.waits and "Loaded image" in self._load([*below, entries]):
                    self.wrong.append(f"taken, in spite of {refused}: {[*below, entries]}")
                del entries[refused.number]
            else:
                return

    def _load(self, archives: Sequence[Archive]) -> str:
        return self.running.load([archive_of(entries) for entries in archives], "image:1")

    def _tree(self, number: int) -> bytes:
        return os.fsencode(self.folder / str(number))


def test_the_model_unpacks_and_records_as_the_engine_does(tmp_path: Path) -> None:
    need_engine()
    (tmp_path / "model").mkdir()
    with engine(tmp_path, "overlay") as running:
        compared = Compared(running, tmp_path / "model")
        for dice in dices():
            compared.chain(dice, 5)
            if compared.taken >= ARCHIVES * SIZE:
                break
        LOG.info("%d archives taken, %d refused", compared.taken, compared.refused)
        assert compared.wrong == []
        check_derived(running.root)
