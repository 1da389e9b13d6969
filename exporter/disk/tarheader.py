"""The type of an archive's entry, from the raw headers that stand before it.

A name alone does not tell it: the trailing slash of a directory is a habit, and a symlink or a
global header may have one too. Formats: POSIX.1-2001 `ustar` and `pax`, GNU `L` and `K`. The
engine and its record read them alike (Go `archive/tar/reader.go`, of which tar-split has a copy).
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from dataclasses import dataclass, field
from typing import Final

DIRECTORY: Final = b"5"
LINKS: Final = frozenset({b"1", b"2"})
"""Hard links and symlinks. A hard link to a symlink is a symlink."""

MOST_RAW: Final = 4 << 20
"""Most base64 text of raw headers that is kept for one entry."""

MOST_PARTS: Final = 1000
"""Most lines of raw bytes before one entry; the engine writes one or a few."""

_REGULAR: Final = b"0"
_OLD_REGULAR: Final = b"\0"
_WITHOUT_CONTENT: Final = frozenset({b"1", b"2", b"3", b"4", DIRECTORY, b"6"})
_SPECIAL: Final = frozenset({b"x", b"L", b"K"})
"""Headers that tell more of the entry that follows; their content stands among the headers."""

_BLOCK: Final = 512
_TYPE: Final = 156
_SIZE: Final = slice(124, 136)
_OCTAL: Final = re.compile(rb"[ \0]*([0-7]*)[ \0]*")
_SPARSE: Final = b"GNU.sparse."


class DoubtError(Exception):
    """The record does not tell for sure what the layer changed. The text says why."""


@dataclass(slots=True)
class Headers:
    """Raw bytes of an archive since the content of its last entry, in base64.

    `padding`: so many of these bytes, the first ones, fill up that content's last block.
    """

    parts: list[bytes] = field(default_factory=list)
    padding: int = 0
    _length: int = 0

    def add(self, text: bytes) -> None:
        """Take in the next raw bytes. Raises DoubtError for too many."""
        self.parts.append(text)
        self._length += len(text)
        if len(self.parts) > MOST_PARTS or (len(self.parts) > 1 and self._length > MOST_RAW):
            raise DoubtError("it has headers that are too long")

    def next_type(self, name: str, size: int) -> bytes:
        """The type of the entry that stands here; name and size are what the record tells.

        Raises DoubtError for an entry of another type than the engine unpacks, or where the
        headers cannot be told apart; ValueError where they are no base64.
        """
        kind = self._type()
        if kind == _OLD_REGULAR:
            kind = DIRECTORY if name.endswith("/") else _REGULAR
        if kind not in _WITHOUT_CONTENT and kind != _REGULAR:
            raise DoubtError("it has an entry that is no file")
        self.padding = -size % _BLOCK if kind == _REGULAR else 0
        self.parts.clear()
        self._length = 0
        return kind

    def _type(self) -> bytes:
        """Read the type in the entry's own header, most often the only one that is there."""
        parts, at = self.parts, self.padding + _TYPE
        if len(parts) == 1 and _length(parts[0]) == self.padding + _BLOCK:
            whole, of_three = divmod(at, 3)
            return a2b_base64(parts[0][4 * whole : 4 * whole + 4])[of_three : of_three + 1]
        raw = b"".join(map(a2b_base64, parts))
        at = self._last_header(raw) + _TYPE
        return raw[at : at + 1]

    def _last_header(self, raw: bytes) -> int:
        """Find the entry's own header, with which its headers end."""
        at, end = self.padding, len(raw) - _BLOCK
        if _SPARSE in raw:
            raise DoubtError("it has a sparse file")
        while at < end and raw[at + _TYPE : at + _TYPE + 1] in _SPECIAL:
            size = _OCTAL.fullmatch(raw, at + _SIZE.start, at + _SIZE.stop)
            if size is None:
                raise DoubtError("it has a header of unknown length")
            content = int(size[1] or b"0", 8)
            at += _BLOCK + content + -content % _BLOCK
        if at != end:
            raise DoubtError("its headers cannot be told apart")
        return at


def _length(text: bytes) -> int:
    """The number of bytes that base64 text stands for."""
    return len(text) // 4 * 3 - text.endswith(b"=") - text.endswith(b"==")
