"""The report as a person reads it on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.config import Config
from exporter.model import ImageFigures, LayersLeft, Resource, RootReport
from exporter.telling.assessment import Assessment, Level, level_of, percent
from exporter.text import one_line

_NAME: Final = 60
_PATH: Final = 60
_SENTENCE: Final = 400

_STYLES: Final = {
    Level.OK: "green",
    Level.INFO: "yellow",
    Level.PENDING: "cyan",
    Level.INCOMPLETE: "cyan",
    Level.UNKNOWN: "yellow",
    Level.WARNING: "yellow",
    Level.STALE: "yellow",
    Level.DOWN: "bold red",
    Level.CRITICAL: "bold red",
    Level.EXHAUSTED: "bold red",
}
"""Cyan: no cause for alarm, and not all is known yet."""


def print_table(assessments: Sequence[Assessment], config: Config, console: Console) -> None:
    """Print each root with its images, tightest first, and its problems."""
    for i, one in enumerate(assessments):
        if i:
            console.print()
        _print_root(one, config, console)


def _print_root(one: Assessment, config: Config, console: Console) -> None:
    report = one.report
    console.print(Text(one_line(f"{one.root}  {one.driver or 'no driver'}"), style="bold"))
    told = f"  {one.level.word}: {one_line(one.sentence, _SENTENCE)}"
    console.print(Text(told, style=_STYLES[one.level]), soft_wrap=True)
    if report is None:
        return
    if report.up:
        for line in _summary(one, report):
            console.print(Text(f"  {line}"), soft_wrap=True)
    if report.images:
        console.print(_images(report, config))
    for problem in report.problems:
        told = one_line(f"{problem.where}: {problem.what}", _SENTENCE)
        console.print(Text(f"  problem ({problem.reason}): {told}", style="yellow"), soft_wrap=True)


def _summary(one: Assessment, report: RootReport) -> Iterator[str]:
    limit = "unlimited" if not report.limit.bounded else report.limit.value or "unknown"
    kinds = ", ".join(f"{n} {kind}" for kind, n in report.layers.items() if n)
    left = ", ".join(f"{r} {_number(n)}" for r, n in report.layers_left.items())
    yield (
        f"links limit {limit} ({report.fstype}, {report.limit.source}),"
        f" most links of a file {one.lower_bound}{_number(report.links_max)}"
    )
    yield f"layers: {kinds or 'none'}; deepest {_number(report.depth_max)}"
    yield f"layers left {one.upper_bound}".rstrip() + f": {left}"
    if report.tightest is not None:
        tight = report.tightest
        names = "1 name" if tight.names == 1 else f"{tight.names} names"
        yield (
            f"tightest: {one_line(tight.path, _PATH)} ({tight.links} links, {names} in each layer)"
            f" in {one_line(', '.join(report.tightest_images) or 'no image', 200)}"
        )
    if one.at_most:
        yield f"coverage: {percent(report.scan.coverage)} of image layers are counted"


def _images(report: RootReport, config: Config) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("  IMAGE", overflow="fold")
    for heading in ("DEPTH", "LEFT BY LINKS", "INODES", "DEPTH LEFT", "CHAIN"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("TIGHTEST FILE (LINKS, NAMES)", overflow="fold")
    for image in report.images:
        left = image.layers_left
        table.add_row(
            Text("  " + one_line(image.known_as, _NAME)),
            str(image.depth),
            *(_cell(left, resource, config) for resource in Resource),
            _cell(image.chain_layers_left, Resource.LINKS, config),
            Text(_tightest(image)),
        )
    return table


def _tightest(image: ImageFigures) -> str:
    tight = image.tightest
    return f"{one_line(tight.path, _PATH)} ({tight.links}, {tight.names})" if tight else "-"


def _cell(left: LayersLeft | None, resource: Resource, config: Config) -> Text:
    """Write one figure in the colour of its level; None: not all of a chain is counted."""
    if left is not None and resource not in left:
        return Text("-")
    n = None if left is None else left[resource]
    return Text(_number(n), style=_STYLES[level_of(resource, n, config)])


def _number(n: int | None) -> str:
    return "?" if n is None else str(n)
