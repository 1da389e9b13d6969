"""A dashboard's nouns, and the classic JSON that Grafana reads them from.

The form is that of schema version 38 (Grafana 10.0); newer versions of Grafana migrate it by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = Mapping[str, Any]

SCHEMA_VERSION: Final = 38
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS: Final = 24
"""The width of Grafana's grid."""


@dataclass(frozen=True, slots=True)
class Target:
    """One query. `instant` asks for now only; `table` gives one row for each series."""

    expr: str
    legend: str = ""
    instant: bool = False
    table: bool = False

    def json(self, letter: str) -> Json:
        """Give Grafana's form."""
        return {
            "refId": letter,
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": self.expr,
            "legendFormat": self.legend or "__auto",
            "format": "table" if self.table else "time_series",
            "instant": self.instant,
            "range": not self.instant,
        }


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `width` and `height` are in cells of the grid; the rest is Grafana's own."""

    type: str
    title: str
    description: str
    targets: tuple[Target, ...]
    width: int
    height: int
    defaults: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()

    def json(self, id: int, x: int, y: int) -> Json:
        """Give Grafana's form, at this place of the grid."""
        return {
            "id": id,
            "type": self.type,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [
                t.json(letter) for t, letter in zip(self.targets, "ABCDEFGHIJ", strict=False)
            ],
            "fieldConfig": {"defaults": self.defaults, "overrides": list(self.overrides)},
            "options": self.options,
            "transformations": list(self.transformations),
        }


@dataclass(frozen=True, slots=True)
class Row:
    """A heading with its panels, which flow from left to right. `repeat` is a variable's name."""

    title: str
    panels: tuple[Panel, ...]
    repeat: str | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice of label values at the top of the dashboard, several of them at once."""

    name: str
    query: str
    all: bool = True

    def json(self) -> Json:
        """Give Grafana's form."""
        chosen = {"current": {"selected": True, "text": ["All"], "value": ["$__all"]}}
        return {
            "type": "query",
            "name": self.name,
            "label": self.name.title(),
            "datasource": DATASOURCE,
            "query": self.query,
            "definition": self.query,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": self.all,
            "allValue": ".+",
            **(chosen if self.all else {}),
        }


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks in time where a query has samples."""

    name: str
    expr: str
    colour: str

    def json(self) -> Json:
        """Give Grafana's form."""
        return {
            "name": self.name,
            "datasource": DATASOURCE,
            "enable": True,
            "iconColor": self.colour,
            "expr": self.expr,
            "step": "60s",
            "titleFormat": "{{alertname}}",
            "textFormat": "{{severity}}",
            "tagKeys": "severity",
        }


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A whole dashboard. `since` is the start of its time range, as in `now-6h`."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    rows: tuple[Row, ...]
    since: str

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in the order in which they are read."""
        return tuple(panel for row in self.rows for panel in row.panels)

    def json(self) -> Json:
        """Give Grafana's form."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["hardlink"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "1m",
            "time": {"from": self.since, "to": "now"},
            "timezone": "browser",
            "links": [_LINKS],
            "annotations": {"list": [a.json() for a in self.annotations]},
            "templating": {"list": [_DATASOURCE_VARIABLE, *(v.json() for v in self.variables)]},
            "panels": list(_placed(self.rows)),
        }


_DATASOURCE_VARIABLE: Final = {
    "type": "datasource",
    "name": "datasource",
    "label": "Data source",
    "query": "prometheus",
}

_LINKS: Final = {
    "type": "dashboards",
    "title": "Hardlink dashboards",
    "tags": ["hardlink"],
    "asDropdown": False,
    "includeVars": False,
    "keepTime": True,
}


def _placed(rows: Iterable[Row]) -> Iterator[Json]:
    """Each row a line of its own, and its panels the places after it, as words are set."""
    id, y = 1, 0
    for row in rows:
        yield {
            "id": id,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
            "panels": [],
            **({"repeat": row.repeat} if row.repeat else {}),
        }
        id, x, y, tallest = id + 1, 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            yield panel.json(id, x, y)
            id, x, tallest = id + 1, x + panel.width, max(tallest, panel.height)
        y += tallest
