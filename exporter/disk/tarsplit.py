"""Which names a layer's archive spoke of, from the engine's record of that archive.

`layerdb/sha256/<chain>/tar-split.json.gz`, one JSON object a line (github.com/vbatts/tar-split
v0.11.2, `tar/storage/entry.go`): `"type":2` holds raw bytes of the archive, `"type":1` stands
for an entry with its `name`, or `name_raw` in base64 where that is not UTF-8. A folder's name
ends with `/`. `.wh.x` says that x was removed, `.wh..wh..opq` that all below was (moby v20.10.24
`pkg/archive/diff.go`, UnpackLayer).

The names say only where to look. What is there now, and what was there before, the two trees
tell; so it is enough that no change lies elsewhere. Archives whose entries may have written
through a symlink, or above their own place, are odd, and their layers are walked.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from exporter.disk.files import BrokenFileError, open_regular

NAME: Final = "tar-split.json.gz"

MOST_BYTES: Final = 64 << 20
"""Longest text that is read of one record; ten thousand names take about ten megabytes."""

MOST_DEPTH: Final = 64
"""Deepest name that is looked up: each folder on the way is held open in both trees."""

_MOST_LINE: Final = 4 << 20
"""Longest line: raw bytes of an entry's headers, at most a megabyte each, in base64."""

_ENTRY: Final = b'{"type":1,'
_RAW: Final = b'{"type":2,'
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


class OddError(Exception):
    """These names are not enough to tell the layer's difference. The text says why."""


@dataclass(slots=True)
class Touched:
    """A folder's names of which the archive spoke, each with what lies below it.

    `opaque`: all that was below is gone. `said` counts how often the archive spoke of the
    name itself; `other` whether as something else than a folder.
    """

    below: dict[str, Touched] = field(default_factory=dict)
    opaque: bool = False
    said: int = 0
    other: bool = False


def read_touched(file: Path, most: int) -> Touched:
    """Read the names of a record, which lie as a tree below what is given.

    Raises OddError for more than `most` names and for odd ones, BrokenFileError for a record
    that is damaged, OSError where it cannot be read.
    """
    top = Touched()
    with open_regular(file) as raw, gzip.open(raw) as lines:
        try:
            for number, line in enumerate(_entries(lines)):
                if number >= most:
                    raise OddError(f"it has more than {most} names")
                _add(top, _name(line))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BrokenFileError(f"is damaged: {error}") from None
        except (ValueError, RecursionError):  # nested deeper than the JSON parser goes
            raise BrokenFileError("is damaged: a line of it is no JSON entry") from None
    return top


def _entries(lines: gzip.GzipFile) -> Iterator[bytes]:
    """Give the lines that stand for entries."""
    length = 0
    while line := lines.readline(_MOST_LINE):
        length += len(line)
        if length > MOST_BYTES or len(line) == _MOST_LINE:
            raise OddError("it is too long")
        if line.startswith(_ENTRY):
            yield line
        elif not line.startswith(_RAW) or not line.endswith(b"}\n"):
            raise BrokenFileError("is damaged: a line of it is no entry")
    if not length:
        raise BrokenFileError("is damaged: it is empty")


def _name(line: bytes) -> str:
    """Give an entry's name as this system has names. Raises ValueError."""
    entry: Any = json.loads(line)
    if isinstance(name := entry.get("name"), str):
        return os.fsdecode(name.encode())
    if isinstance(name := entry.get("name_raw"), str):
        return os.fsdecode(base64.b64decode(name, validate=True))
    raise ValueError


def _add(top: Touched, path: str) -> None:
    """Take in one entry's name."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in names or "\0" in path:
        raise OddError("it has names outside of its own tree")
    if not names:
        return  # the tree's own folder
    if len(names) > MOST_DEPTH:
        raise OddError(f"it has names below more than {MOST_DEPTH} folders")
    last, folder = names.pop(), top
    for name in names:
        folder = folder.below.setdefault(name, Touched())
    if last == _OPAQUE:
        folder.opaque = True
        return
    removed = last.startswith(_WHITEOUT)
    if removed:
        last = last.removeprefix(_WHITEOUT)
        if last in ("", ".", ".."):
            raise OddError("it removes what is not named")
    touched = folder.below.setdefault(last, Touched())
    touched.said += 1
    touched.other |= removed or not path.endswith("/")
