"""EnvironmentFile= files, as systemd reads them (systemd.exec(5)): no shell, though they look like one.

Lines that are no assignment are passed over: such a file is often a script's as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from exporter.thinking.settings import NotUnderstoodError, Text, Unclear, Word

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BLANKS: Final = " \t\r"
_KEY: Final = re.compile(r"[^=\n]*=?")
_COMMENT: Final = re.compile(r"[^\n]*")
_SUBSTITUTION: Final = re.compile(r"\$\(|`")


def read_environment(file: Text) -> dict[str, Word]:
    """The variables that a file sets. Raises NotUnderstoodError where a quote is not closed.

    A value with a command substitution is `Unclear`: systemd runs none, so the engine would get it
    as it stands. So is a line below a comment that ends in a backslash: systemd before 254 took it
    for a part of the comment.
    """
    return dict(_assignments(file.text, file.path))


def _assignments(text: str, name: str) -> Iterator[tuple[str, Word]]:
    at, line, counted_to = 0, 1, 0
    below_comment = False
    while at < len(text):
        if text[at] in _BLANKS + "\n":
            at += 1
            continue
        line += text.count("\n", counted_to, at)
        counted_to, where = at, f"{name}:{line}"
        if text[at] in "#;":
            comment = _COMMENT.match(text, at)
            at = comment.end() if comment else len(text)
            below_comment = text[at - 1] == "\\"
            continue
        key = _KEY.match(text, at)
        written = key[0] if key else ""
        at += len(written)
        if not written.endswith("="):
            below_comment = False
            continue
        value, at = _value(text, at, where)
        if _NAME.fullmatch(written[:-1].rstrip(_BLANKS)):
            yield written[:-1].rstrip(_BLANKS), _judged(value, where, below_comment=below_comment)
        below_comment = False


def _judged(value: str, where: str, *, below_comment: bool) -> Word:
    why = "stands below a comment that ends in a backslash" if below_comment else ""
    if _SUBSTITUTION.search(value):
        why = "uses a command substitution"
    return Word(value, where, Unclear(where, why) if why else None)


def _value(text: str, at: int, where: str) -> tuple[str, int]:
    """The value that begins at a place, and the place behind it.

    Blanks around it are dropped; quoted ones, and those behind a backslash, are kept.
    """
    value: list[str] = []
    kept = 0
    quote = ""
    while at < len(text) and (quote or text[at] != "\n"):
        character, following = text[at], text[at + 1 : at + 2]
        at += 1
        if quote and character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == "\\" and quote != "'" and following:
            at += 1
            if following != "\n":
                stays = quote and following not in '"\\`$'
                value.append(f"\\{following}" if stays else following)
        elif quote or value or character not in _BLANKS:
            value.append(character)
            if not quote and character in _BLANKS:
                continue
        else:
            continue
        kept = len(value)
    if quote:
        raise NotUnderstoodError(where, "a quote is not closed")
    return "".join(value[:kept]), at
