"""`scan`: one pass, then exit."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from exporter.commands.common import absolute, common, config_of, version
from exporter.config import Config
from exporter.disk.roots import roots_of
from exporter.errors import UserError
from exporter.logs import start_logging
from exporter.looking.scan import scan_root
from exporter.model import Reports, Root, RootReport
from exporter.telling.assessment import assess_all
from exporter.telling.metrics import to_text
from exporter.telling.report import to_json
from exporter.telling.table import print_table
from exporter.telling.view import View
from exporter.text import one_line

_NARROWEST: Final = 110
_WIDE: Final = 160
_NAME: Final = 60


@click.command()
@click.argument("root", nargs=-1, callback=absolute)
@click.option(
    "--output",
    "output",
    type=click.Choice(["table", "json", "metrics"]),
    help="Form of the answer.  [default: table on a terminal, else json]",
)
@click.option(
    "--output.file",
    "output_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write instead, all at once (for a textfile collector).",
)
@common
def scan(
    root: tuple[str, ...],
    output: str | None,
    output_file: Path | None,
    config_file: Path | None,
    log_level: str,
    log_format: str,
    rootfs: Path,
) -> None:
    """Look at storage roots once, tell what was found, and exit.

    Exits with 2 when a root gave nothing, after telling what the others gave.
    """
    start_logging(log_level, log_format)
    config = config_of(config_file)
    roots = roots_of(root or config.roots, rootfs, config.links_limits)
    if not roots:
        raise UserError(
            "no storage root was found on this host; name one, as in: scan /var/lib/docker"
        )
    reports = _look(roots, rootfs)
    terminal = output_file is None and sys.stdout is not None and sys.stdout.isatty()
    form = output or ("table" if terminal else "json")
    if terminal and form == "table":
        console = Console()
        console.width = max(console.width, _NARROWEST)  # a figure cut short is another figure
        print_table(assess_all(reports, config, time.time()), config, console)
    else:
        _write(_rendered(reports, config, form), output_file)
    _refuse_empty(roots, reports)


def _look(roots: tuple[Root, ...], rootfs: Path) -> Reports:
    """Look at each root; on a terminal, show how far that is."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("layers"),
        TimeElapsedColumn(),
    )
    reports: list[RootReport] = []
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        for root in roots:
            bar = bars.add_task(one_line(root.path, _NAME), total=None)
            reports += scan_root(root, rootfs, partial(_show, bars, bar))
    return reports


def _show(bars: Progress, bar: TaskID, done: int, of: int) -> None:
    bars.update(bar, completed=done, total=of)


def _rendered(reports: Reports, config: Config, form: str) -> str:
    if form == "json":
        return to_json(assess_all(reports, config, time.time()))
    if form == "metrics":
        return to_text(View(reports, version(), config.metrics.images))
    console = Console(width=_WIDE, color_system=None)
    with console.capture() as captured:
        print_table(assess_all(reports, config, time.time()), config, console)
    return captured.get()


def _write(text: str, path: Path | None) -> None:
    """Write to stdout, or to a file that appears whole or not at all."""
    if path is None:
        if sys.stdout is None:
            raise UserError("stdout is closed; name an --output.file instead")
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
        return
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise UserError(f"{path}: is there and is not a regular file")
    try:
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(fd, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _refuse_empty(roots: tuple[Root, ...], reports: Reports) -> None:
    up = {report.root for report in reports if report.up}
    for root in roots:
        if root.path not in up:
            why = next(p.what for r in reports if r.root == root.path for p in r.problems)
            raise UserError(f"{root.path}: {why}")
