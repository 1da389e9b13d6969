"""The kinds of panels that our dashboards are made of, each with its one look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from boards.looks import CALM, Steps, Words, colours
from boards.model import Json, Panel, Target


def stat(
    title: str,
    description: str,
    *targets: Target,
    unit: str = "none",
    steps: Steps = CALM,
    words: Words | None = None,
    empty: str = "no data",
    show: str | None = None,
    width: int = 4,
    height: int = 4,
) -> Panel:
    """Give big figures, one for each series, of now; `show` is Grafana's text mode."""
    named = any("{{" in target.legend for target in targets)
    return Panel(
        type="stat",
        title=title,
        description=description,
        targets=targets,
        width=width,
        height=height,
        defaults=_defaults(unit, steps, empty, words),
        options={
            "colorMode": "value" if steps is CALM else "background",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": show or ("value_and_name" if named else "value"),
            "reduceOptions": _LAST,
        },
    )


def timeseries(
    title: str,
    description: str,
    *targets: Target,
    unit: str = "none",
    steps: Steps = CALM,
    custom: Json | None = None,
    overrides: tuple[Json, ...] = (),
    empty: str = "no data",
    field: Json | None = None,
    width: int = 8,
    height: int = 8,
) -> Panel:
    """Give lines over time, with the steps of their colours drawn as lines across.

    `custom` is of how lines are drawn, `field` of what values may be.
    """
    drawn = "off" if steps is CALM else "line+area"
    look = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 0,
        "lineInterpolation": "stepAfter",
        "showPoints": "auto",
        "spanNulls": False,
        "thresholdsStyle": {"mode": drawn},
        **(custom or {}),
    }
    return Panel(
        type="timeseries",
        title=title,
        description=description,
        targets=targets,
        width=width,
        height=height,
        defaults={
            **_defaults(unit, steps, empty),
            "color": {"mode": "palette-classic"},
            "custom": look,
            "min": 0,
            **(field or {}),
        },
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "asc"},
        },
        overrides=overrides,
    )


def table(
    title: str,
    description: str,
    *targets: Target,
    columns: Mapping[str, str],
    sort: str,
    spread: str | None = None,
    overrides: tuple[Json, ...] = (),
    unit: str = "none",
    empty: str = "no data",
    width: int = 12,
    height: int = 8,
) -> Panel:
    """One row for each series of now.

    `columns` are the names of Grafana's fields and their headings, in order; other fields are not
    shown. A value is `Value`, or `Value #A` for the first of several queries; where a label is
    `spread`, series that differ in it alone share a row, and each value is a field of the label's
    name. `sort` is a heading, least first.
    """
    shown = list(columns)
    spreading = {"id": "labelsToFields", "options": {"mode": "columns", "valueLabel": spread}}
    return Panel(
        type="table",
        title=title,
        description=description,
        targets=targets,
        width=width,
        height=height,
        defaults={**_defaults(unit, CALM, empty), "custom": {"align": "auto"}},
        options={
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": sort, "desc": False}],
        },
        overrides=overrides,
        transformations=(
            *((spreading,) if spread else ()),
            *(({"id": "merge", "options": {}},) if spread or len(targets) > 1 else ()),
            {"id": "filterFieldsByName", "options": {"include": {"names": shown}}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {},
                    "indexByName": {name: i for i, name in enumerate(shown)},
                    "renameByName": dict(columns),
                },
            },
        ),
    )


def bars(
    title: str,
    description: str,
    *targets: Target,
    unit: str = "none",
    empty: str = "no data",
    width: int = 8,
    height: int = 8,
) -> Panel:
    """One bar for each series, of now."""
    return Panel(
        type="bargauge",
        title=title,
        description=description,
        targets=targets,
        width=width,
        height=height,
        defaults={**_defaults(unit, ((None, "blue"),), empty), "min": 0},
        options={
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": True,
            "valueMode": "text",
            "reduceOptions": _LAST,
        },
    )


def text(title: str, markdown: str, *, width: int = 24, height: int = 5) -> Panel:
    """Give words."""
    return Panel(
        type="text",
        title=title,
        description="",
        targets=(),
        width=width,
        height=height,
        options={"mode": "markdown", "content": markdown},
    )


_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def _defaults(unit: str, steps: Steps, empty: str, words: Words | None = None) -> Json:
    shown = {
        f"{value:g}": {"text": said, "color": colour, "index": i}
        for i, (value, (said, colour)) in enumerate((words or {}).items())
    }
    return {
        "unit": unit,
        "noValue": empty,
        "thresholds": colours(steps),
        "color": {"mode": "thresholds"},
        "mappings": [{"type": "value", "options": shown}] if shown else [],
    }
