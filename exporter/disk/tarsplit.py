"""Which names a layer's archive mentions, from the engine's record of that archive.

`layerdb/sha256/<chain>/tar-split.json.gz`, one JSON object a line (github.com/vbatts/tar-split
v0.11.2, `tar/storage/entry.go`): `"type":2` holds raw bytes of the archive, its headers among
them, `"type":1` stands for an entry with its `name`, or `name_raw` in base64 where that is not
UTF-8; an empty name is left out. `.wh.x` says that x was removed, `.wh..wh..opq` that all below
was (moby v20.10.24 `pkg/archive/diff.go`, UnpackLayer).

The names say only where to look. What is there now, and what was there before, the two trees
tell; so it is enough that no change lies elsewhere:

* an entry that is no directory, and a whiteout, remove a whole tree where there was one;
* an entry below a symlink changes what the symlink leads to, which has another name. So where
  a name may have been a symlink for a while and has names below it, the layer is walked.

The record has each entry's headers, and they tell its type.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from exporter.disk.files import BrokenFileError, open_regular
from exporter.disk.tarheader import DIRECTORY, LINKS, DoubtError, Headers

NAME: Final = "tar-split.json.gz"

MOST_BYTES: Final = 64 << 20
"""Longest text that is read of one record; ten thousand names take about ten megabytes."""

MOST_DEPTH: Final = 64
"""Deepest name that is looked up: each directory on the way is held open in both trees."""

_MOST_LINE: Final = 4 << 20
"""Longest line: raw bytes of an entry's headers, at most a megabyte each, in base64."""

_ENTRY: Final = b'{"type":1,'
_PLAIN: Final = re.compile(
    rb'\{"type":1,"name":"([^"\\]+)"(?:,"size":([0-9]+))?,"payload":(?:null|"[^"\\]*"),"position":[0-9]+\}\n'
)
"""An entry as the engine writes it, if its name needs no escapes. JSON's parser takes thrice as long."""

_RAW: Final = b'{"type":2,"payload":"'
_NO_ENTRY: Final = "is damaged: a line of it is no entry"
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


@dataclass(slots=True)
class Touched:
    """A directory's names that the archive mentions, each with what lies below it.

    `opaque`: all that was below is gone. `replaced`: the archive removed what was there, or put
    something else than a directory in its place. `linked`: it may have been a symlink meanwhile.
    """

    below: dict[str, Touched] = field(default_factory=dict)
    opaque: bool = False
    replaced: bool = False
    linked: bool = False

    def at(self, name: str) -> Touched:
        """What is touched at a name of this directory, from now on if not before."""
        found = self.below.get(name)
        if found is None:
            found = self.below[name] = Touched()
        return found


def read_touched(file: Path, most: int) -> Touched:
    """Read the names of a record, which lie as a tree below what is given.

    Raises DoubtError for more than `most` names and for odd ones, BrokenFileError for a record
    that is damaged, OSError where it cannot be read.
    """
    top = Touched()
    with open_regular(file) as raw, gzip.open(raw) as lines:
        try:
            for number, (name, kind) in enumerate(_entries(lines)):
                if number >= most:
                    raise DoubtError(f"it has more than {most} names")
                _add(top, name, kind)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BrokenFileError(f"is damaged: {error}") from None
        except (ValueError, RecursionError):  # nested deeper than the JSON parser goes
            raise BrokenFileError(_NO_ENTRY) from None
    return top


def can_be_read(file: Path) -> bool:
    """Whether the disk gives a record, whatever is in it, or it is gone."""
    try:
        with open_regular(file) as raw:
            while raw.read(1 << 20):
                pass
    except FileNotFoundError:
        return True
    except (OSError, BrokenFileError):
        return False
    return True


def _entries(lines: gzip.GzipFile) -> Iterator[tuple[str, bytes]]:
    """Each entry's name and type."""
    headers = Headers()
    length = 0
    while line := lines.readline(_MOST_LINE):
        length += len(line)
        if length > MOST_BYTES or len(line) == _MOST_LINE:
            raise DoubtError("it is too long")
        if line.startswith(_ENTRY):
            name, size = _entry(line)
            yield name, headers.next_type(name, size)
        elif line.startswith(_RAW) and line.endswith(b"}\n"):
            headers.add(line[len(_RAW) : line.index(b'"', len(_RAW))])
        else:
            raise BrokenFileError(_NO_ENTRY)
    if not length:
        raise BrokenFileError("is damaged: it is empty")


def _entry(line: bytes) -> tuple[str, int]:
    """An entry's name as this system has names, and its size. Raises ValueError."""
    if plain := _PLAIN.fullmatch(line):
        return os.fsdecode(plain[1]), int(plain[2] or 0)
    entry: Any = json.loads(line)
    size, raw, name = entry.get("size", 0), entry.get("name_raw", ""), entry.get("name", "")
    if not (isinstance(size, int) and isinstance(raw, str) and isinstance(name, str)):
        raise BrokenFileError(_NO_ENTRY)
    return os.fsdecode(base64.b64decode(raw, validate=True) or name.encode()), size


def _add(top: Touched, path: str, kind: bytes) -> None:
    """Take in one entry."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in names or "\0" in path:
        raise DoubtError("it has names outside of its own tree")
    if not names:
        return  # the tree's own directory
    if len(names) > MOST_DEPTH:
        raise DoubtError(f"it has names below more than {MOST_DEPTH} directories")
    last, folder = names.pop(), top
    for name in names:
        folder = folder.at(name)
    if last == _OPAQUE:
        folder.opaque = True
    elif last.startswith(_WHITEOUT):
        removed = last.removeprefix(_WHITEOUT)
        if removed in ("", ".", ".."):
            raise DoubtError("it removes what is not named")
        folder.at(removed).replaced = True
    else:
        touched = folder.at(last)
        touched.replaced |= kind != DIRECTORY
        touched.linked |= kind in LINKS
