"""Names from disk, made fit to be shown. In an image a name is bytes: any but `/` and NUL."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

_SHOWS_NOTHING: Final = frozenset(
    chr(point)
    for points in (
        (0x034F,),  # combining grapheme joiner
        range(0x115F, 0x1161),  # Hangul fillers
        range(0x17B4, 0x17B6),  # Khmer inherent vowels
        range(0x180B, 0x1810),  # Mongolian variation selectors and vowel separator
        (0x2800,),  # Braille pattern blank
        (0x3164, 0xFFA0),  # Hangul fillers
        range(0xFE00, 0xFE10),  # variation selectors
        range(0xE0100, 0xE01F0),  # more of them
    )
    for point in points
)
"""Characters that are letters or marks by their category, and yet show nothing by themselves.

All but the Braille blank are in Unicode's DerivedCoreProperties.txt, Default_Ignorable_Code_Point.
"""


def shown_name(name: str | bytes) -> str:
    r"""A name as valid text, each byte that is not UTF-8 written as `\xNN`."""
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "backslashreplace")


def valid(text: str) -> str:
    r"""Give any text as text that UTF-8 can carry, lone surrogates written as `\udXXX`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(text: str, most: int = 0) -> str:
    r"""Text that a terminal shows as it stands, in one line: all of it can be seen and told apart.

    Whatever shows nothing, hides or reorders other text, or has no meaning yet is written as
    `\xNN`, `\uNNNN` or `\UNNNNNNNN`: controls, format characters, spaces but the plain one, private and
    unassigned characters (all that Python's `repr` escapes), and what is in `_SHOWS_NOTHING`.
    With `most`, a longer text is cut in its middle to that many characters.
    """
    safe = valid(text)
    if not (safe.isascii() and safe.isprintable()):
        safe = "".join(c if _shows(c) else _escaped(c) for c in safe)
    if most and len(safe) > most:
        head = (most - 1) // 2
        safe = f"{safe[:head]}…{safe[len(safe) - (most - 1 - head) :]}"
    return safe


def _shows(character: str) -> bool:
    return character.isprintable() and character not in _SHOWS_NOTHING


def _escaped(character: str) -> str:
    point = ord(character)
    if point <= 0xFF:  # noqa: PLR2004  (as Python writes them)
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"  # noqa: PLR2004


def path_text(path: os.PathLike[str] | str) -> str:
    """A path of this system as valid text."""
    return shown_name(os.fsencode(path))


def alike(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two different paths that are shown as the same text, if there are any."""
    known: dict[str, str] = {}
    for path in paths:
        other = known.setdefault(path_text(path), path)
        if other != path:
            return other, path
    return None


def normal_path(path: str) -> str:
    """An absolute path in its one normal form: no double slash, no `.` and no `..`."""
    return "/" + os.path.normpath(path).lstrip("/")
