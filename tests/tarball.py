"""Layer archives written block by block, and the engine's record of each.

`tarfile` cannot write what a hostile image holds: an entry of any type under any name, a global
header in the place of a directory, a size that a symlink has not. Formats: POSIX.1-2001 pax, the
GNU headers `L` and `K`, and for the record vbatts/tar-split v0.11.2 `tar/asm/disassemble.go`.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from layertar import crc64

REGULAR: Final = b"0"
OLD_REGULAR: Final = b"\0"
LINK: Final = b"1"
SYMLINK: Final = b"2"
CHARACTER: Final = b"3"
BLOCK: Final = b"4"
DIRECTORY: Final = b"5"
FIFO: Final = b"6"
GLOBAL: Final = b"g"

END: Final = bytes(1024)
_BLOCK: Final = 512
_NAME: Final = 100


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """One entry of an archive.

    `extended` is the extra header that carries its name and target: `pax`, `gnu`, or none if that
    is not needed.
    `size` is what the header says where that is not the content's length; the types without
    content may say anything. A global header's target is its comment.
    """

    name: bytes
    kind: bytes = REGULAR
    target: bytes = b""
    content: bytes = b""
    extended: str = ""
    size: int | None = None

    def __repr__(self) -> str:
        more = f" {self.extended}" * bool(self.extended) + f" says {self.size}" * bool(self.size)
        target = f" -> {self.target!r}" * bool(self.target)
        return f"<{self.kind.decode()} {self.name!r}{target}{more}>"

    @property
    def told_size(self) -> int:
        """The size that the header tells."""
        return len(self.content) if self.size is None else self.size


def archive_of(entries: Iterable[Entry], end: bytes = END) -> bytes:
    """Pack the entries; `end` closes the archive, and further bytes may follow there."""
    parts: list[bytes] = []
    for entry in entries:
        raw, after = _headers(entry)
        parts += raw, after, entry.content, _padding(entry.content)
    return b"".join([*parts, end])


def record_of(entries: Sequence[Entry], end: bytes = END) -> bytes:
    """Make the record that the engine keeps of this archive."""
    lines = list(_lines(entries, end))
    text = "".join(
        json.dumps(line | {"position": i}, separators=(",", ":"), ensure_ascii=False) + "\n"
        for i, line in enumerate(lines)
    )
    return gzip.compress(text.encode(), 1, mtime=0)


def _lines(entries: Sequence[Entry], end: bytes) -> Iterator[dict[str, Any]]:
    padding = b""
    for entry in entries:
        raw, after = _headers(entry)
        yield {"type": 2, "payload": base64.b64encode(padding + raw).decode()}
        yield _file_line(entry)
        padding = after + _padding(entry.content)
    yield {"type": 2, "payload": base64.b64encode(padding + end).decode()}


def _file_line(entry: Entry) -> dict[str, Any]:
    line: dict[str, Any] = {"type": 1}
    try:
        line |= {"name": entry.name.decode()} if entry.name else {}
    except UnicodeDecodeError:
        line |= {"name_raw": base64.b64encode(entry.name).decode()}
    if not entry.told_size or entry.kind == GLOBAL:
        return line | {"payload": None}
    checksum = base64.b64encode(crc64(entry.content).to_bytes(8)).decode()
    return line | {"size": entry.told_size, "payload": checksum}


def _headers(entry: Entry) -> tuple[bytes, bytes]:
    """An entry's headers as the reader meets them before it tells of the entry, and after."""
    is_long = max(len(entry.name), len(entry.target)) > _NAME
    if entry.kind == GLOBAL:
        in_record = entry.extended or is_long
        values = {b"comment": entry.target, b"path": entry.name if in_record else b""}
        records = _pax_records({key: value for key, value in values.items() if value})
        name = b"pax_global_header" if in_record else entry.name
        return _header(name, GLOBAL, len(records)) + records, _padding(records)
    header = _header(entry.name[:_NAME], entry.kind, entry.told_size, entry.target[:_NAME])
    if entry.extended == "pax" or (is_long and not entry.extended):
        values = {b"path": entry.name, b"linkpath": entry.target, b"mtime": b"1.5"}
        records = _pax_records({key: value for key, value in values.items() if value})
        return _special(b"x", records) + header, b""
    if entry.extended == "gnu":
        special = _special(b"L", entry.name + b"\0")
        if entry.target:
            special = _special(b"K", entry.target + b"\0") + special
        return special + header, b""
    return header, b""


def _special(kind: bytes, content: bytes) -> bytes:
    return _header(b"././@LongLink", kind, len(content)) + content + _padding(content)


def _pax_records(values: dict[bytes, bytes]) -> bytes:
    return b"".join(_pax_record(b" %s=%s\n" % item) for item in values.items())


def _pax_record(rest: bytes) -> bytes:
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


@cache
def _header(name: bytes, kind: bytes, size: int, target: bytes = b"") -> bytes:
    fields = (
        name.ljust(_NAME, b"\0"),
        b"0000755\0" + b"0000000\0" * 2,
        b"%011o\0" % size + b"%011o\0" % 1,
        b" " * 8,
        kind + target.ljust(_NAME, b"\0"),
        b"ustar\00000",
    )
    block = b"".join(fields).ljust(_BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _padding(content: bytes) -> bytes:
    return bytes(-len(content) % _BLOCK)
