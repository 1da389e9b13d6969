"""The progress bars that a one-shot command shows on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from exporter.text import one_line

_NAME: Final = 60


class Bars:
    """One bar for each root, on stderr; none where that is no terminal. They vanish at the end."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("layers"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, name: str, done: int, of: int | None) -> None:
        """Show that so many layers of so many are counted."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(one_line(name, _NAME), total=None)
        self._progress.update(self._tasks[name], completed=done, total=of)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Make room for other lines on the terminal."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()
