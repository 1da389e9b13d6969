"""Shell text cut into statements, without running a shell.

This is the subset of POSIX.1 XCU 2 (Shell Command Language) that configuration files are written
in: quotes, escapes, comments, continued lines, operators and `$NAME`. What needs a shell to be
known, such as a command substitution, becomes `Unclear`; what hides where a statement ends raises
NotUnderstoodError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from exporter.thinking.settings import NotUnderstoodError, Unclear

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN: Final = re.compile(r"[^\\'\"`$ \t\r\n;&|()<>#]+|[#\r]")
_IN_QUOTES: Final = re.compile(r"[^\\\"`$]+")
_SPECIAL: Final = re.compile(r"[0-9@*#?$!'\-]")
_BRACKET: Final = re.compile(r"[()]")
_REDIRECTION: Final = re.compile(r"&>>?|<<-?|<>|>>|>\||[<>]&?")
_OPERATOR: Final = re.compile(r"&&|\|\||;;|[\n;&|()]")


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands for itself. `quoted`: in quotes, or behind a backslash."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Variable:
    """The value of a variable; outside of quotes a shell splits it into words."""

    name: str
    quoted: bool


RawWord = tuple[Literal | Variable | Unclear, ...]
"""A word as it is written, before variables are replaced."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A simple command or a line of assignments, the operators around it, and where it begins."""

    words: tuple[RawWord, ...]
    before: str
    after: str
    where: str


def statements(text: str, name: str, line: int = 1) -> Iterator[Statement]:
    """Cut a text into statements; `name:line` is the place where it begins."""
    return _Reader(text, name, line).statements()


class _Reader:
    """Reads a text from its begin to its end."""

    def __init__(self, text: str, name: str, line: int) -> None:
        self._text = text
        self._name = name
        self._first = line
        self._counted_to = 0
        self._at = 0
        self._word: list[Literal | Variable | Unclear] = []

    def statements(self) -> Iterator[Statement]:
        words: list[RawWord] = []
        before, where, is_target = "\n", self._where(), False
        while self._at < len(self._text):
            if not words and not self._word:
                where = self._where()
            redirection = _REDIRECTION.match(self._text, self._at)
            operator = redirection or _OPERATOR.match(self._text, self._at)
            if operator is None and not self._is_blank():
                self._part()
                continue
            if self._word and not is_target:
                words.append(tuple(self._word))
            is_target = is_target and not self._word
            self._word = []
            self._at += len(operator[0]) if operator else 1
            if redirection is not None:
                if redirection[0].startswith("<<"):
                    raise NotUnderstoodError(self._where(), "a here-document")
                is_target = True
            elif operator is not None:
                yield Statement(tuple(words), before, operator[0], where)
                words, before, is_target = [], operator[0], False
        if self._word and not is_target:
            words.append(tuple(self._word))
        yield Statement(tuple(words), before, "\n", where)

    def _is_blank(self) -> bool:
        """Whether a blank is next; a comment is passed over as if it were one."""
        if self._text[self._at] == "#" and not self._word:
            end = self._text.find("\n", self._at)
            self._at = (len(self._text) if end < 0 else end) - 1
            return True
        return self._text[self._at] in " \t"

    def _part(self) -> None:
        """Read a part of a word."""
        character = self._text[self._at]
        if character == "\\":
            self._escape()
        elif character == "'":
            begin = self._at + 1
            self._skip_past("'", begin, "a quote is not closed")
            self._word.append(Literal(self._text[begin : self._at - 1], quoted=True))
        elif character == '"':
            self._double_quoted()
        elif character in "`$":
            self._expansion(quoted=False)
        else:
            self._plain(_PLAIN, quoted=False)

    def _escape(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        if following != "\n":
            self._word.append(Literal(following or "\\", quoted=True))

    def _double_quoted(self) -> None:
        opened = self._where()
        self._word.append(Literal("", quoted=True))
        self._at += 1
        while self._text[self._at : self._at + 1] != '"':
            following = self._text[self._at + 1 : self._at + 2]
            match self._text[self._at : self._at + 1]:
                case "":
                    raise NotUnderstoodError(opened, "a quote is not closed")
                case "\\" if following and following in '\\"$`\n':
                    self._escape()
                case "\\":
                    self._word.append(Literal("\\", quoted=True))
                    self._at += 1
                case "`" | "$":
                    self._expansion(quoted=True)
                case _:
                    self._plain(_IN_QUOTES, quoted=True)
        self._at += 1

    def _plain(self, pattern: re.Pattern[str], *, quoted: bool) -> None:
        found = pattern.match(self._text, self._at)
        end = found.end() if found else self._at + 1
        self._word.append(Literal(self._text[self._at : end], quoted))
        self._at = end

    def _expansion(self, *, quoted: bool) -> None:
        """Read what begins with `$` or a backtick."""
        where, text, begin = self._where(), self._text, self._at
        if text[begin] == "`":
            self._skip_past("`", begin + 1, "a command substitution is not closed")
            self._word.append(Unclear(where, "uses a command substitution"))
        elif text.startswith("$(", begin):
            self._skip_brackets()
            self._word.append(Unclear(where, "uses a command substitution"))
        elif text.startswith("${", begin):
            self._skip_past("}", begin + 2, "${ is not closed")
            inside = text[begin + 2 : self._at - 1]
            known = Variable(inside, quoted) if _NAME.fullmatch(inside) else None
            self._word.append(known or Unclear(where, "uses a substitution that needs a shell"))
        elif (named := _NAME.match(text, begin + 1)) is not None:
            self._at = named.end()
            self._word.append(Variable(named[0], quoted))
        else:
            special = _SPECIAL.match(text, begin + 1)
            self._at += 1
            self._word.append(
                Unclear(where, "uses a substitution that needs a shell")
                if special and not (quoted and special[0] == "'")
                else Literal("$", quoted)
            )

    def _skip_past(self, end: str, begin: int, otherwise: str) -> None:
        found = self._text.find(end, begin)
        if found < 0:
            raise NotUnderstoodError(self._where(), otherwise)
        self._at = found + 1

    def _skip_brackets(self) -> None:
        """Go behind the bracket that closes the next one."""
        where, open_brackets = self._where(), 0
        for bracket in _BRACKET.finditer(self._text, self._at):
            open_brackets += 1 if bracket[0] == "(" else -1
            if not open_brackets:
                self._at = bracket.end()
                return
        raise NotUnderstoodError(where, "a command substitution is not closed")

    def _where(self) -> str:
        self._first += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = max(self._at, self._counted_to)
        return f"{self._name}:{self._first}"
