"""The report as a person reads it on a terminal."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.config import Thresholds
from exporter.model import ImageFigures, LayersLeft, Reports, Resource, RootReport
from exporter.text import one_line

_NAME: Final = 60
_PATH: Final = 60


def print_table(reports: Reports, thresholds: Thresholds, console: Console) -> None:
    """Print each root with its images, tightest first, and its problems."""
    for i, report in enumerate(reports):
        if i:
            console.print()
        _print_root(report, thresholds, console)


def _print_root(report: RootReport, thresholds: Thresholds, console: Console) -> None:
    console.print(Text(one_line(f"{report.root}  {report.driver or 'no driver'}"), style="bold"))
    if report.up:
        for line in _summary(report):
            console.print(Text(f"  {line}"), soft_wrap=True)
    if report.images:
        console.print(_images(report, thresholds))
    for problem in report.problems:
        told = one_line(f"{problem.where}: {problem.what}", 400)
        console.print(Text(f"  problem ({problem.reason}): {told}", style="yellow"), soft_wrap=True)


def _summary(report: RootReport) -> list[str]:
    limit = "unlimited" if not report.limit.bounded else report.limit.value or "unknown"
    kinds = ", ".join(f"{n} {kind}" for kind, n in report.layers.items() if n)
    left = ", ".join(f"{r} {_number(n)}" for r, n in report.layers_left.items())
    lines = [
        f"links limit {limit} ({report.fstype}, {report.limit.source}),"
        f" most links of a file {_number(report.links_max)}",
        f"layers: {kinds or 'none'}; deepest {report.depth_max}",
        f"layers left: {left}",
    ]
    if report.tightest is not None:
        tight = report.tightest
        names = "1 name" if tight.names == 1 else f"{tight.names} names"
        lines.append(
            f"tightest: {one_line(tight.path, _PATH)} ({tight.links} links, {names} in each layer)"
            f" in {one_line(', '.join(report.tightest_images) or 'no image', 200)}"
        )
    if not report.scan.complete:
        lines.append(
            f"not all layers could be counted (coverage {report.scan.coverage:.0%}):"
            " layers left means at most, links at least"
        )
    return lines


def _images(report: RootReport, thresholds: Thresholds) -> Table:
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
            Text(_left(left, Resource.LINKS), style=_style(left, thresholds)),
            _left(left, Resource.INODES),
            _left(left, Resource.DEPTH),
            "?" if image.chain_layers_left is None else _least(image.chain_layers_left),
            Text(_tightest(image)),
        )
    return table


def _tightest(image: ImageFigures) -> str:
    tight = image.tightest
    return f"{one_line(tight.path, _PATH)} ({tight.links}, {tight.names})" if tight else "-"


def _left(left: LayersLeft, resource: Resource) -> str:
    return _number(left[resource]) if resource in left else "-"


def _least(left: LayersLeft) -> str:
    return _left(left, Resource.LINKS)


def _number(n: int | None) -> str:
    return "?" if n is None else str(n)


def _style(left: LayersLeft, thresholds: Thresholds) -> str:
    n = left.get(Resource.LINKS)
    if n is None:
        return ""
    if n < thresholds.critical:
        return "bold red"
    return "yellow" if n < thresholds.warning else "green"
