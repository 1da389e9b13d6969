"""What a line of a host's configuration sets: text with its place, or why it cannot be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.text import one_line


class NotUnderstoodError(Exception):
    """A text cannot be understood. The message names the place, as `file:line`, and the reason."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{one_line(where, 500)}: {one_line(why, 200)}")
        self.where = where
        self.why = why

    def __reduce__(self) -> tuple[type[NotUnderstoodError], tuple[str, str]]:
        return NotUnderstoodError, (self.where, self.why)


@dataclass(frozen=True, slots=True)
class Text:
    """A text file of the host: its path there, and what it says."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """A value that cannot be known without a shell or the running host."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Word:
    """A word or a value, and where it is written; `unclear` if a part of it is unknown."""

    text: str
    where: str
    unclear: Unclear | None = None

    def known(self) -> str:
        """The text. Raises NotUnderstoodError if a part of it is unknown."""
        if self.unclear is not None:
            raise NotUnderstoodError(self.unclear.where, self.unclear.why)
        return self.text


Variables = Mapping[str, Word]
"""The variables of a shell or a service, by name."""
