"""Layer archives, and the engine's own record of them: `tar-split.json.gz`.

Format of the record (github.com/vbatts/tar-split v0.11.2, `tar/storage/entry.go` and
`tar/asm/disassemble.go`): one JSON object a line. Type 2 holds raw bytes of the archive
(padding of the file before, headers), type 1 stands for a file's content: its name (`name`,
or `name_raw` in base64 where it is not UTF-8), its size, and a CRC-64 (ISO) of what it held.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from exporter.demo.planted import PlantedRoot
from exporter.thinking.chains import chain_ids


def layer_tar(tree: Path, there: Iterable[str], gone: Iterable[str] = ()) -> bytes:
    """Pack what a layer changed: names that it added or replaced, and those that it removed."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(there):
            archive.add(tree / name, name, recursive=False)
        for name in sorted(gone):
            folder, slash, last = name.rpartition("/")
            archive.addfile(tarfile.TarInfo(f"{folder}{slash}.wh.{last}"))
    return packed.getvalue()


def archive_of(*names: str) -> bytes:
    """Pack empty files, and folders, whose names end with a slash, in this order."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            member = tarfile.TarInfo(name.removesuffix("/"))
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(member)
    return packed.getvalue()


def split_of(archive: bytes) -> bytes:
    """Make the record that the engine keeps of a layer's archive."""
    lines: list[dict[str, Any]] = []
    end = 0
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        for member in members:
            size = member.size if member.isreg() else 0
            content = archive[member.offset_data : member.offset_data + size]
            name = member.name + "/" * member.isdir()
            lines += _raw(archive[end : member.offset_data]), _file(name, content)
            end = member.offset_data + size
    lines.append(_raw(archive[end:]))
    text = "".join(
        json.dumps(line | {"position": i}, separators=(",", ":"), ensure_ascii=False) + "\n"
        for i, line in enumerate(lines)
    )
    return gzip.compress(text.encode(), 6, mtime=0)


def _raw(content: bytes) -> dict[str, Any]:
    return {"type": 2, "payload": base64.b64encode(content).decode()}


def _file(name: str, content: bytes) -> dict[str, Any]:
    raw = os.fsencode(name)
    try:
        named = {"name": raw.decode()}
    except UnicodeDecodeError:
        named = {"name_raw": base64.b64encode(raw).decode()}
    if not content:
        return {"type": 1, **named, "payload": None}
    checksum = base64.b64encode(crc64(content).to_bytes(8)).decode()
    return {"type": 1, **named, "size": len(content), "payload": checksum}


@cache
def crc64(content: bytes) -> int:
    """The checksum of Go's `hash/crc64` with its ISO table."""
    table = _crc64_table()
    crc = ~0 & (1 << 64) - 1
    for byte in content:
        crc = table[crc & 0xFF ^ byte] ^ crc >> 8
    return ~crc & (1 << 64) - 1


@cache
def _crc64_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xD800000000000000 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


def changes(parent: Path | None, tree: Path) -> tuple[list[str], list[str]]:
    """Which names a tree has otherwise than its parent has them, and which it has no more.

    As the engine does (moby v20.10.24 `pkg/archive/changes.go`): what lies below a folder
    that is gone is not named, and neither is what was below a file that is a folder now.
    """
    there: list[str] = []
    gone: list[str] = []
    _compare(parent, tree, "", there, gone)
    return there, gone


def _compare(
    parent: Path | None, tree: Path, prefix: str, there: list[str], gone: list[str]
) -> None:
    before = _entries(parent)
    now = _entries(tree)
    gone += (prefix + name for name in before.keys() - now.keys())
    for name, status in now.items():
        was = before.get(name)
        if was is None or not _same(was, status):
            there.append(prefix + name)
        if stat.S_ISDIR(status.st_mode):
            both = was is not None and stat.S_ISDIR(was.st_mode)
            below = parent / name if both and parent is not None else None
            _compare(below, tree / name, f"{prefix}{name}/", there, gone)


def _entries(folder: Path | None) -> dict[str, os.stat_result]:
    if folder is None:
        return {}
    return {entry.name: entry.stat(follow_symlinks=False) for entry in os.scandir(folder)}


def _same(before: os.stat_result, now: os.stat_result) -> bool:
    if stat.S_ISREG(now.st_mode):
        return before.st_ino == now.st_ino
    return (before.st_mode, before.st_rdev) == (now.st_mode, now.st_rdev)


class RecordedRoot(PlantedRoot):
    """A planted root whose layers have their records of changes, as a real engine's have."""

    archive: bytes | None = None
    """The archive of the next layer, where that is not the engine's own of what it changed."""

    def split(self, parent: Path | None, tree: Path) -> bytes | None:
        archive, self.archive = self.archive, None
        return split_of(archive or layer_tar(tree, *changes(parent, tree)))

    def forget(self, id: str) -> None:
        """Leave out the tags of an image that was removed when tags are written next."""
        for tags in self._tags.values():
            for tag in [tag for tag, image in tags.items() if image == id]:
                del tags[tag]


def record(root: PlantedRoot, diffs: tuple[str, ...]) -> Path:
    """The record of what the top layer of these diffs changed."""
    return root.image_home / "layerdb/sha256" / chain_ids(diffs)[-1][7:] / "tar-split.json.gz"
