"""Names from disk, made fit to be shown. In an image a name is bytes: any but `/` and NUL."""

from __future__ import annotations

import os
import re
from typing import Final

_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
"""Control characters and the invisible ones that reorder or hide text on a screen."""


def shown_name(name: str | bytes) -> str:
    r"""Give a name as valid text, each byte that is not UTF-8 written as `\xNN`."""
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "backslashreplace")


def valid(text: str) -> str:
    r"""Give any text as text that UTF-8 can carry, lone surrogates written as `\udXXX`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(text: str, most: int = 0) -> str:
    r"""Give text that a terminal shows as it stands: one line, controls as `\xNN` or `\uNNNN`.

    With `most`, a longer text is cut in its middle to that many characters.
    """
    safe = _UNPRINTABLE.sub(_escape, valid(text))
    if most and len(safe) > most:
        head = (most - 1) // 2
        safe = f"{safe[:head]}…{safe[len(safe) - (most - 1 - head) :]}"
    return safe


_BYTE: Final = 0xFF


def _escape(match: re.Match[str]) -> str:
    point = ord(match[0])
    return f"\\x{point:02x}" if point <= _BYTE else f"\\u{point:04x}"


def path_text(path: os.PathLike[str] | str) -> str:
    """Give a path of this system as valid text."""
    return shown_name(os.fsencode(path))


def normal_path(path: str) -> str:
    """Give an absolute path in its one normal form: no double slash, no `.` and no `..`."""
    return "/" + os.path.normpath(path).lstrip("/")
