"""How things stand, in one line: what `systemctl status` shows."""

from __future__ import annotations

from typing import Final

from exporter.model import RootReport
from exporter.telling.view import View
from exporter.text import one_line

_LONGEST: Final = 500
"""Characters; systemd cuts a status line, and a person reads one line."""


def standing(view: View, *, ready: bool) -> str:
    """Tell what runs out first on each root, the one with least left first."""
    refused = view.loaded is not None and not view.loaded.successful
    told = [_of(report) for report in sorted(view.reports, key=_left)]
    parts = (
        *(["the configuration is refused, the old one stays"] if refused else []),
        *(told or ["no storage root was found" if ready else "looking at the roots"]),
    )
    return one_line("; ".join(parts), _LONGEST)


def _of(report: RootReport) -> str:
    where = report.root if report.driver is None else f"{report.root} ({report.driver})"
    first = report.runs_out_first
    if not report.up:
        return f"{where}: no figures"
    if first is None:
        return f"{where}: layers left unknown"
    at_most = "" if report.scan.coverage == 1 else "at most "
    return f"{where}: layers left {at_most}{report.layers_left[first]}, by {first}"


def _left(report: RootReport) -> tuple[bool, int, str]:
    first = report.runs_out_first
    left = report.layers_left[first] if first is not None else None
    return report.up, -1 if left is None else left, report.root
