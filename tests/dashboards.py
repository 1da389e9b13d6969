"""The committed dashboards as tests see them: their queries, with variables filled in as Grafana does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus import Prometheus, Series

FOLDER: Final = Path(__file__).parent.parent / "grafana/dashboards"

Dashboard = Mapping[str, Any]

DASHBOARDS: Final[Mapping[str, Dashboard]] = {
    file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))
}
ALL: Final = ".+"
"""What Grafana puts in for All: the variables' `allValue`."""

HOST: Final = DASHBOARDS["hardlink-host"]
FLEET: Final = DASHBOARDS["hardlink-fleet"]


@dataclass(frozen=True)
class Query:
    """One query of a panel or of the annotations (their unit is `none`)."""

    board: str
    title: str
    unit: str
    expr: str
    instant: bool

    def __str__(self) -> str:
        return f"{self.board}, {self.title}: {self.expr}"


def panels(board: Dashboard) -> list[Mapping[str, Any]]:
    """All panels but the headings of rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel_queries(board: Dashboard) -> list[Query]:
    return [
        Query(
            board["title"],
            panel["title"],
            panel["fieldConfig"]["defaults"].get("unit", ""),
            target["expr"],
            target["instant"],
        )
        for panel in panels(board)
        for target in panel["targets"]
    ]


def queries(board: Dashboard) -> list[Query]:
    """Every query that Grafana would send for a board, but those of its variables."""
    marks = board["annotations"]["list"]
    return panel_queries(board) + [
        Query(board["title"], mark["name"], "none", mark["expr"], instant=False) for mark in marks
    ]


def variables(board: Dashboard) -> dict[str, Mapping[str, Any]]:
    return {variable["name"]: variable for variable in board["templating"]["list"]}


@dataclass(frozen=True)
class Chosen:
    """What is chosen at the top of a dashboard: values by variable, and a time range in seconds."""

    values: Mapping[str, Sequence[str]]
    seconds: int = 3600
    step: int = 15
    """Seconds from point to point; Grafana's `$__rate_interval` is at least four scrapes."""

    rate: int = 60

    def fill(self, text: str) -> str:
        """Put the values in, several as a regular expression, as Grafana does for Prometheus."""
        filled = {name: _pattern(values) for name, values in self.values.items()}
        filled |= {"__rate_interval": f"{self.rate}s", "__range": f"{self.seconds}s"}
        return re.sub(r"\$\{?(\w+)\}?", lambda found: filled[found[1]], text)


def _pattern(values: Sequence[str]) -> str:
    """All is a pattern as it stands; what is chosen by name is quoted."""
    if tuple(values) == (ALL,):
        return ALL
    quoted = [re.sub(r"[\\^$*+?.()|{}\[\]]", r"\\\\\g<0>", value) for value in values]
    return quoted[0] if len(quoted) == 1 else f"({'|'.join(quoted)})"


def answer(prometheus: Prometheus, query: Query, chosen: Chosen, now: float) -> list[Series]:
    """Ask what Grafana would ask."""
    expr = chosen.fill(query.expr)
    if query.instant:
        return prometheus.instant(expr, now)
    return prometheus.range(expr, now - chosen.seconds, now, chosen.step)


def unanswered(prometheus: Prometheus, choices: Mapping[str, Chosen], now: float) -> list[Query]:
    """Ask every query, with what is chosen for its board; give those without an answer.

    Raises AssertionError where an answer has a value that cannot be.
    """
    silent = []
    for board in DASHBOARDS.values():
        for query in queries(board):
            series = answer(prometheus, query, choices[board["title"]], now)
            assert insane(query, series) == [], query
            if not series:
                silent.append(query)
    return silent


def resolve(prometheus: Prometheus, board: Dashboard, chosen: Chosen) -> dict[str, list[str]]:
    """What each variable offers, found as Grafana finds it: by the API of series."""
    offered: dict[str, list[str]] = {}
    for name, variable in variables(board).items():
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found, variable["query"]
            series = prometheus.api("series", **{"match[]": chosen.fill(found[1])})
            offered[name] = sorted({one[found[2]] for one in series})
    return offered


def insane(query: Query, series: Iterable[Series]) -> list[tuple[Mapping[str, str], float]]:
    """The values that no panel of this unit may show: no figure of ours is negative or NaN."""
    most = {"percentunit": 1.0}.get(query.unit, float("inf"))
    return [
        (one.labels, value) for one in series for _, value in one.points if not 0 <= value <= most
    ]
