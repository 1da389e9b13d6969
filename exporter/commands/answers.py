"""How a scan's answer is given: tables as roots become known, or one document."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from rich.console import Console

from exporter.commands.common import version
from exporter.commands.output import OutputError, writable, write_file, write_stdout
from exporter.config import Config
from exporter.looking.driven import down
from exporter.model import Reports
from exporter.oneshot.looks import Look
from exporter.telling.assessment import assess_all
from exporter.telling.metrics import to_text
from exporter.telling.report import to_json
from exporter.telling.table import print_table
from exporter.telling.view import View

_NARROWEST: Final = 110
_WIDE: Final = 160

Looks = Sequence[Look[Reports]]


class Answer(Protocol):
    """Takes what is known so far, once or more often, and at the end all."""

    def tell(self, looks: Looks, *, final: bool) -> None:
        """What can be given now."""


def answer_for(form: str | None, path: Path | None, config: Config) -> Answer:
    """Choose how to answer. Raises OutputError where that could not be written."""
    terminal = path is None and sys.stdout is not None and sys.stdout.isatty()
    form = form or ("table" if terminal else "json")
    if path is not None:
        writable(path)
        return _ToFile(form, config, path)
    if sys.stdout is None:
        raise OutputError("stdout is closed; name an --output.file instead")
    return _Tables(config, terminal=terminal) if form == "table" else _Document(form, config)


def reports_of(look: Look[Reports]) -> Reports:
    """A root's reports; one without figures where something kept us from it."""
    return look.found if look.found is not None else (down(look.root, look.trouble, time.time),)


def _text(looks: Looks, form: str, config: Config, *, terminal: bool = False) -> str:
    reports = [report for look in looks for report in reports_of(look)]
    if form == "json":
        return to_json(assess_all(reports, config, time.time()))
    if form == "metrics":
        return to_text(View(reports, version(), config.metrics.images))
    console = Console() if terminal else Console(width=_WIDE, color_system=None)
    console.width = max(console.width, _NARROWEST)  # a figure cut short is another figure
    with console.capture() as captured:
        print_table(assess_all(reports, config, time.time()), config, console)
    return captured.get()


class _Tables:
    """Prints the table of each root once, as soon as it is asked for and known."""

    def __init__(self, config: Config, *, terminal: bool) -> None:
        self._config = config
        self._terminal = terminal
        self._told: set[str] = set()

    def tell(self, looks: Looks, *, final: bool) -> None:  # noqa: ARG002  (each table is complete)
        fresh = [k for k in looks if not k.waiting and k.root.path not in self._told]
        if fresh:
            text = _text(fresh, "table", self._config, terminal=self._terminal)
            write_stdout("\n" + text if self._told else text)
        self._told |= {look.root.path for look in fresh}


class _Document:
    """Prints one document, when all is known."""

    def __init__(self, form: str, config: Config) -> None:
        self._form = form
        self._config = config

    def tell(self, looks: Looks, *, final: bool) -> None:
        if final:
            write_stdout(_text(looks, self._form, self._config))


class _ToFile:
    """Writes the whole file each time: a root that hangs does not keep the others' figures back."""

    def __init__(self, form: str, config: Config, path: Path) -> None:
        self._form = form
        self._config = config
        self._path = path

    def tell(self, looks: Looks, *, final: bool) -> None:  # noqa: ARG002  (the file is replaced)
        write_file(_text(looks, self._form, self._config), self._path)
