"""systemd's unit files: settings, words and variables, as systemd itself reads them.

Sources: systemd.syntax(7), systemd.service(5) (COMMAND LINES) and systemd.exec(5) (Environment=,
EnvironmentFile=). systemd passes over lines it does not know, and so does this.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from exporter.thinking.settings import NotUnderstoodError, Text, Unclear, Variables, Word

_BLANKS: Final = " \t\n\r"
_COMMENTS: Final = "#;"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\$")
UNKNOWN: Final = "\0"
_DOLLAR: Final = Word("$", "")
_SPECIFIER: Final = re.compile(r"%(.)", re.DOTALL)
_ESCAPED: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " ",
    "\\": "\\", '"': '"', "'": "'",
}  # fmt: skip
_NUMBERED: Final = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Setting:
    """One `Name=value` line of a unit, its continued lines joined."""

    section: str
    name: str
    value: str
    where: str


def settings_of(file: Text) -> Iterator[Setting]:
    """The settings of a unit file or a drop-in, in their order."""
    section = ""
    for line, where in _joined(file):
        stripped = line.strip(_BLANKS)
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
            continue
        name, equals, value = stripped.partition("=")
        if equals:
            yield Setting(section, name.rstrip(_BLANKS), value.strip(_BLANKS), where)


def _joined(file: Text) -> Iterator[tuple[str, str]]:
    """Lines with their continuations; comments are left out, also between continued lines."""
    begun: list[str] = []
    where = ""
    for number, raw in enumerate(file.text.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.removesuffix("\r")
        if line.lstrip(_BLANKS)[:1] in tuple(_COMMENTS):
            continue
        where = where if begun else f"{file.path}:{number}"
        if (len(line) - len(line.rstrip("\\"))) % 2:
            begun.append(line[:-1])
            continue
        yield " ".join([*begun, line]), where
        begun.clear()
    if begun:
        yield " ".join(begun), where


def words_of(text: str, where: str) -> list[Word]:
    """Cut a value into words; quotes and C escapes are undone, specifiers are left.

    Raises NotUnderstoodError where a quote is not closed.
    """
    return [Word(word, where) for word in _cut(text, where, is_unit=True)]


def _cut(text: str, where: str, *, is_unit: bool) -> Iterator[str]:
    word: list[str] | None = None
    quote, at = "", 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == "\\" and at < len(text):
            word = [] if word is None else word
            read, at = _escape(text, at) if is_unit else (text[at], at + 1)
            word.append(read)
        elif quote and character == quote:
            quote = ""
        elif not quote and character in "'\"":
            word, quote = ([] if word is None else word), character
        elif not quote and character in _BLANKS:
            if word is not None:
                yield "".join(word)
            word = None
        else:
            word = [] if word is None else word
            word.append(character)
    if quote and is_unit:
        raise NotUnderstoodError(where, "a quote is not closed")
    if word is not None:
        yield "".join(word)


def _escape(text: str, at: int) -> tuple[str, int]:
    """What the escape at a place stands for, and the place behind it; an unknown one for itself."""
    character = text[at]
    if (numbered := _NUMBERED.match(text, at)) is None:
        return _ESCAPED.get(character, f"\\{character}"), at + 1
    if numbered[2]:
        return chr(int(numbered[2], 16)), numbered.end()
    byte = int(numbered[1], 16) if numbered[1] else int(numbered[3], 8) & 0xFF
    return os.fsdecode(bytes([byte])), numbered.end()


def commands_of(text: str, where: str) -> Iterator[list[Word]]:
    """The commands of an ExecStart= line: it may hold several, a lone `;` between them."""
    command: list[Word] = []
    for word in words_of(text, where):
        if word.text == ";":
            yield command
            command = []
        else:
            command.append(word)
    yield command


def expanded(words: Sequence[Word], variables: Variables) -> Iterator[Word]:
    """Replace specifiers and variables in the words of a command line.

    `$NAME` as a word of its own becomes the words of its value, or none; `${NAME}` is replaced in
    its place; what is not set is empty. In a word that is `unclear`, `UNKNOWN` and specifiers stand
    for what is not known; it is one word whatever they are.
    """
    for word in words:
        text, unclear = _specified(word)
        if text.startswith("$") and _NAME.fullmatch(text, 1):
            value = variables.get(text[1:], Word("", word.where))
            if value.unclear:
                yield replace(value, text="")
                continue
            yield from (Word(w, value.where) for w in _cut(value.text, value.where, is_unit=False))
            continue
        replaced: list[str] = []
        begin = 0
        for found in _BRACED.finditer(text):
            value = variables.get(found[1], Word("", word.where)) if found[1] else _DOLLAR
            unclear = unclear or value.unclear
            replaced += [text[begin : found.start()], UNKNOWN if value.unclear else value.text]
            begin = found.end()
        yield Word("".join([*replaced, text[begin:]]), word.where, unclear)


def _specified(word: Word) -> tuple[str, Unclear | None]:
    """A word whose `%%` is `%`; any other specifier is known to the running host alone."""
    others = [c for c in _SPECIFIER.findall(word.text) if c != "%"]
    unclear = Unclear(word.where, f"uses %{others[0]}") if others else None
    return word.text.replace("%%", "%"), word.unclear or unclear


def environment_of(text: str, where: str) -> dict[str, Word]:
    """The variables of an Environment= line."""
    found: dict[str, Word] = {}
    for word in words_of(text, where):
        specified, unclear = _specified(word)
        name, equals, value = specified.partition("=")
        if equals and _NAME.fullmatch(name):
            found[name] = Word(value, where, unclear)
    return found
