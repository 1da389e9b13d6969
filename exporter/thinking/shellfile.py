"""What shell text sets and starts, as far as that can be known without a shell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.thinking.settings import NotUnderstoodError, Text, Unclear, Variables, Word
from exporter.thinking.shelltext import Literal, RawWord, Statement, Variable, statements

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=")
_OPENING: Final = frozenset({"if", "case", "for", "while", "until", "select", "{"})
_CLOSING: Final = frozenset({"fi", "esac", "done", "}"})
_BETWEEN: Final = frozenset({"then", "else", "elif", "do", "!", "time"})
_EXPORTING: Final = frozenset({"export", "readonly", "declare", "typeset", "local"})
_READING: Final = frozenset({".", "source", "eval"})
_BLANKS: Final = re.compile(r"[ \t\n]+")


@dataclass(frozen=True, slots=True)
class Script:
    """What a shell would set and start: its variables, and its commands with their words."""

    variables: Variables
    commands: tuple[tuple[Word, ...], ...]


def read_settings(file: Text, known: Variables) -> Variables:
    """The variables after a file of assignments, as an init script reads it.

    A variable that is set under a condition, or by a command, is `Unclear`. Raises NotUnderstoodError.
    """
    return _Run(known, is_settings=True).run(statements(file.text, file.path)).variables


def read_command(text: str, where: str, known: Variables) -> Script:
    """What `sh -c TEXT` starts, in the environment `known`. Raises NotUnderstoodError."""
    name, _, line = where.rpartition(":")
    return _Run(known, is_settings=False).run(statements(text, name, int(line)))


class _Run:
    """Takes statements in their order and keeps what they set.

    In a file of settings, a variable that nothing sets may be one of the script that reads it. In
    a command it is empty, since the environment is known.
    """

    def __init__(self, known: Variables, *, is_settings: bool) -> None:
        self._variables = dict(known)
        self._is_settings = is_settings
        self._commands: list[tuple[Word, ...]] = []
        self._depth = 0
        self._subshells = 0

    def run(self, all_statements: Iterator[Statement]) -> Script:
        for statement in all_statements:
            self._subshells += statement.before == "("
            self._take(statement)
            if statement.after == ")" and self._subshells:  # else it ends a pattern of `case`
                self._subshells -= 1
        return Script(self._variables, tuple(self._commands))

    def _take(self, statement: Statement) -> None:
        words = list(statement.words)
        while words and (keyword := _bare(words[0])) in _OPENING | _CLOSING | _BETWEEN:
            words.pop(0)
            self._depth = max(0, self._depth + (keyword in _OPENING) - (keyword in _CLOSING))
        if words and _bare(words[0]) in _EXPORTING:
            words = [word for word in words[1:] if not _bare(word).startswith("-")]
            words = [word for word in words if _assignment(word)]
        first = next((i for i, word in enumerate(words) if not _assignment(word)), len(words))
        doubt = self._doubt(statement)
        if first < len(words):  # an assignment before a command is for that command alone
            self._command(words[first:], statement, doubt)
            return
        for word in words:
            self._assign(word, statement, doubt)

    def _doubt(self, statement: Statement) -> Unclear | None:
        """Why an assignment of this statement may not hold, if there is a reason."""
        if statement.after == "(":
            return Unclear(statement.where, "is an array or a function")
        is_apart = self._subshells > 0 or statement.after in ("|", "&")
        if self._depth > 0 or is_apart or statement.before in ("&&", "||", "|"):
            return Unclear(statement.where, "is set under a condition")
        return None

    def _assign(self, word: RawWord, statement: Statement, doubt: Unclear | None) -> None:
        found = _assignment(word)
        if found is None or not isinstance(word[0], Literal):
            return
        name, added = found[1], found[2]
        rest = (Literal(word[0].text[found.end() :], quoted=False), *word[1:])
        value = self._value(rest, name, statement.where)
        if added and name in self._variables:
            old = self._variables[name]
            value = Word(old.text + value.text, value.where, old.unclear or value.unclear)
        if doubt is not None:
            doubt = Unclear(doubt.where, f"{name} {doubt.why}")
        self._variables[name] = Word(value.text, value.where, doubt or value.unclear)

    def _value(self, parts: RawWord, name: str, where: str) -> Word:
        text, unclear = "", None
        for part in parts:
            if isinstance(part, Unclear):
                unclear = unclear or part
            elif isinstance(part, Literal):
                text += part.text
            else:
                value = self._of(part, where, itself=name)
                text, unclear = text + value.text, unclear or value.unclear
        return Word(text, where, unclear)

    def _of(self, variable: Variable, where: str, itself: str = "") -> Word:
        if variable.name in self._variables:
            return self._variables[variable.name]
        why = f"uses ${variable.name}, which this file does not set"
        is_empty = not self._is_settings or variable.name == itself
        return Word("", where, None if is_empty else Unclear(where, why))

    def _command(
        self, words: Sequence[RawWord], statement: Statement, doubt: Unclear | None
    ) -> None:
        name = _bare(words[0])
        if name in _READING and self._is_settings:
            raise NotUnderstoodError(statement.where, f"`{name}` sets what is not written here")
        for word in words[1:] if name == "unset" else ():
            why = Unclear(doubt.where, f"{_bare(word)} {doubt.why}") if doubt else None
            self._variables[_bare(word)] = Word("", statement.where, why)
        if not self._is_settings:
            split = [w for word in words for w in self._split(word, statement.where)]
            self._commands.append(tuple(split))

    def _split(self, parts: RawWord, where: str) -> Iterator[Word]:
        """The words that a written one becomes: a variable outside of quotes is cut at blanks.

        What is not known may be any number of words; it is one without a text.
        """
        values = [
            part if isinstance(part, Literal) else self._value((part,), "", where) for part in parts
        ]
        unclear = next((v.unclear for v in values if isinstance(v, Word) and v.unclear), None)
        if unclear is not None:
            yield Word("", where, unclear)
            return
        text, is_word = "", False
        for part, value in zip(parts, values, strict=True):
            is_whole = not isinstance(part, Variable) or part.quoted
            pieces = [value.text] if is_whole else _BLANKS.split(value.text)
            text, is_word = text + pieces[0], is_word or is_whole or bool(pieces[0])
            for piece in pieces[1:]:
                if is_word:
                    yield Word(text, where)
                text, is_word = piece, bool(piece)
        if is_word:
            yield Word(text, where)


def _bare(word: RawWord) -> str:
    """A word without quotes, variables and escapes; empty for any other."""
    texts = [p.text for p in word if isinstance(p, Literal) and not p.quoted]
    return "".join(texts) if len(texts) == len(word) else ""


def _assignment(word: RawWord) -> re.Match[str] | None:
    first = word[0]
    return (
        _ASSIGNMENT.match(first.text) if isinstance(first, Literal) and not first.quoted else None
    )
