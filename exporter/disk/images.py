"""Reading `image/<driver>/`: layerdb, imagedb and repositories.json.

    image/overlay/
      repositories.json                        {"Repositories":{"shop":{"shop:1.4":"sha256:<image>"}}}
      imagedb/content/sha256/<image>           the image's configuration: rootfs.diff_ids
      imagedb/metadata/sha256/<image>/parent   sha256:<image>, of a classic build's step
      layerdb/sha256/<chain>/{cache-id,parent} which folder of the driver; the chain below
      layerdb/sha256/<chain>-<64 hex>-removing the same, while a layer is removed
      layerdb/mounts/<container>/{mount-id,init-id}

Sources: moby v20.10.24 `layer/filestore.go`, `image/fs.go`, `reference/store.go`. Whatever
is found broken is a problem with its place; the rest is told all the same.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from exporter.disk import documents
from exporter.disk.files import BrokenFileError, read_small
from exporter.disk.memory import Memory
from exporter.model import LayerRecord, Lineage, Problem, Reason
from exporter.text import one_line, path_text, valid
from exporter.thinking.chains import broken, shown

MOST_BYTES: Final = 64 << 20
"""Longest repositories.json or image configuration that is read."""

_SHORT: Final = 4096
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_FOLDER_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}")
_REMOVING: Final = re.compile(r"[0-9a-f]{64}-[0-9a-f]{64}-removing")


@dataclass(slots=True)
class Known:
    """What is known from before of layers and images whose records have not changed."""

    layers: Memory[LayerRecord] = field(default_factory=Memory)
    diff_ids: Memory[tuple[str, ...]] = field(default_factory=Memory)


def read_lineage(
    home: Path, shown_home: str, known: Known | None = None, now: float = 0.0
) -> Lineage:
    """Read all that `image/<driver>/` says. `shown_home` is the same folder as people know it.

    What is `known` and has not changed is not read again; `now` is the unix time.
    """
    reader = _Reader(home, shown_home, known or Known(), now)
    layers, removing = reader.layers()
    mounts = reader.mounts()
    references = reader.references()
    diff_ids, parents = reader.images()
    for reference, id in sorted(
        (r, i) for i, all_of in references.items() for r in all_of if i not in diff_ids
    ):
        reader.problem("repositories.json", f"{reference} names the image {id}, which is not there")
    images = shown(diff_ids, parents, references)
    for layer, what in broken(layers):
        reader.problem(f"layerdb/sha256/{layer.chain[7:]}", what, Reason.LINEAGE)
    for image in images:
        if missing := [chain for chain in image.chains if chain not in layers]:
            where = f"imagedb/content/sha256/{image.id[7:]}"
            reader.problem(where, f"its layer {missing[0]} is not in layerdb")
    return Lineage(
        layers,
        images,
        parents,
        mounts,
        removing,
        reader.unread,
        reader.readable,
        tuple(reader.problems),
    )


@dataclass(slots=True)
class _Reader:
    home: Path
    shown_home: str
    known: Known
    now: float
    unread: int = 0
    readable: bool = True
    problems: list[Problem] = field(default_factory=list)

    def problem(self, where: str, what: str, reason: Reason = Reason.IMAGE) -> None:
        self.problems.append(Problem(f"{self.shown_home}/{where}", valid(what), reason))

    def layers(self) -> tuple[dict[str, LayerRecord], dict[str, float]]:
        """Read layerdb: the layers by chain id, and the folders being removed, with since when."""
        layers: dict[str, LayerRecord] = {}
        removing: dict[str, float] = {}
        taken: dict[str, str] = {}
        names = self._names("layerdb/sha256", Reason.LINEAGE, above="layerdb")
        self.readable = names is not None
        self.known.layers.keep_only(names or ())
        for name in names or ():
            where = f"layerdb/sha256/{name}"
            if _REMOVING.fullmatch(name):
                removing |= self._removed(where)
            elif _HEX.fullmatch(name):
                told = len(self.problems)
                with _Problems(self, where, Reason.LINEAGE):
                    status = os.lstat(f"{self.home}/{where}")
                    layer = self.known.layers.of(name, status, self.now, partial(self._layer, name))
                    if (other := taken.setdefault(layer.cache_id, name)) != name:
                        raise BrokenFileError(f"its cache-id is that of {other} too")
                    layers[layer.chain] = layer
                self.unread += len(self.problems) - told
            else:
                self.problem(where, "its name is not a chain id", Reason.LINEAGE)
        return layers, removing

    def _layer(self, name: str) -> LayerRecord:
        folder = f"layerdb/sha256/{name}"
        try:
            cache_id = self._text(f"{folder}/cache-id")
        except FileNotFoundError:
            if (self.home / folder).is_dir():  # it came whole, by a rename
                raise BrokenFileError("it has no cache-id") from None
            raise
        if not _FOLDER_ID.fullmatch(cache_id):
            raise BrokenFileError("its cache-id is not the name of a driver's folder")
        try:
            parent: str | None = self._text(f"{folder}/parent")
        except FileNotFoundError:
            parent = None
        if parent is not None and not documents.DIGEST.fullmatch(parent):
            raise BrokenFileError("its parent is not a chain id")
        return LayerRecord(f"sha256:{name}", cache_id, parent)

    def _removed(self, where: str) -> dict[str, float]:
        try:
            since = os.stat(self.home / where).st_ctime
            return {self._text(f"{where}/cache-id"): since}
        except (OSError, BrokenFileError):  # gone by now, as it should be
            return {}

    def mounts(self) -> dict[str, frozenset[str]]:
        """Read which folders are containers'. One that is just being recorded has none yet."""
        mounts: dict[str, frozenset[str]] = {}
        for name in self._names("layerdb/mounts", Reason.LINEAGE, above="") or ():
            ids: set[str] = set()
            for file in ("mount-id", "init-id"):
                with _Problems(self, f"layerdb/mounts/{name}", Reason.LINEAGE):
                    ids.add(self._text(f"layerdb/mounts/{name}/{file}"))
            mounts[name] = frozenset(ids)
        return mounts

    def images(self) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
        """Read imagedb: the diff ids of each image, and the image each was built from."""
        diff_ids: dict[str, tuple[str, ...]] = {}
        parents: dict[str, str] = {}
        names = self._names("imagedb/content/sha256", Reason.IMAGE, above="imagedb") or ()
        self.known.diff_ids.keep_only(names)
        for name in names:
            where = f"imagedb/content/sha256/{name}"
            if not _HEX.fullmatch(name):
                if not name.startswith(".tmp-"):
                    self.problem(where, "its name is not an image id")
                continue
            with _Problems(self, where, Reason.IMAGE):
                status = os.lstat(f"{self.home}/{where}")
                diff_ids[f"sha256:{name}"] = self.known.diff_ids.of(
                    name, status, self.now, partial(self._diff_ids, where)
                )
            with _Problems(self, where, Reason.IMAGE):
                parents[f"sha256:{name}"] = self._text(f"imagedb/metadata/sha256/{name}/parent")
        return diff_ids, parents

    def _diff_ids(self, file: str) -> tuple[str, ...]:
        return documents.diff_ids(self._json(file))

    def references(self) -> dict[str, list[str]]:
        """Read repositories.json: the tags and digests of each image."""
        images: dict[str, str] = {}
        with _Problems(self, "repositories.json", Reason.IMAGE):
            for raw, image in documents.references(self._json("repositories.json")):
                reference = one_line(raw)
                if images.setdefault(reference, image) != image:
                    self.problem("repositories.json", f"{reference} names two images")
        found: dict[str, list[str]] = {}
        for reference, image in images.items():
            found.setdefault(image, []).append(reference)
        return found

    def _names(self, folder: str, reason: Reason, *, above: str) -> list[str] | None:
        """List a folder; None if that cannot be done.

        The engine makes some of them only when the first entry comes: one that is missing
        is empty as long as the folder `above` is there.
        """
        try:
            return sorted(path_text(n) for n in os.listdir(self.home / folder))
        except FileNotFoundError:
            if os.path.isdir(self.home / above):
                return []
            self.problem(folder, "is not there", reason)
        except OSError as error:
            self.problem(folder, f"cannot be read: {error.strerror}", Reason.UNREADABLE)
        return None

    def _text(self, file: str) -> str:
        name = os.path.basename(file)
        try:
            return read_small(self.home / file, _SHORT).decode("ascii").strip()
        except BrokenFileError as error:
            raise BrokenFileError(f"{name} {error}") from None
        except UnicodeDecodeError:
            raise BrokenFileError(f"{name} holds bytes that are not text") from None

    def _json(self, file: str) -> Any:
        try:
            return json.loads(read_small(self.home / file, MOST_BYTES))
        except (ValueError, RecursionError):
            raise BrokenFileError("is not JSON") from None


@dataclass(slots=True)
class _Problems:
    """Turn what goes wrong with one file into a problem. A file that is gone is no problem."""

    reader: _Reader
    where: str
    reason: Reason

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, FileNotFoundError):
            return True
        if isinstance(error, OSError):
            self.reader.problem(self.where, f"cannot be read: {error.strerror}", Reason.UNREADABLE)
            return True
        if isinstance(error, BrokenFileError):
            self.reader.problem(self.where, str(error), self.reason)
            return True
        return False
