"""Draws a preview of a dashboard from its JSON and what a Prometheus answers now. It is not Grafana.

Places, titles, legends, colours and words are those of the JSON; the rest is plain HTML and SVG.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, Final

from dashboards import Chosen, Query, answer
from prometheus import Prometheus, Series

CELL_X, CELL_Y, GAP = 58, 36, 6
PALETTE: Final = (
    "#73bf69",
    "#f2cc0c",
    "#8ab8ff",
    "#ff780a",
    "#f2495c",
    "#5794f2",
    "#b877d9",
    "#fade2a",
)
NAMED: Final = {
    "red": "#d44a3a",
    "orange": "#e0752d",
    "yellow": "#f2cc0c",
    "green": "#4a8f3c",
    "blue": "#5794f2",
    "text": "#d8d9da",
}
STYLE: Final = """
body{background:#111217;color:#d8d9da;font:13px sans-serif;margin:8px}
.panel{position:absolute;background:#181b1f;border:1px solid #2c2f36;overflow:hidden;padding:4px 8px;box-sizing:border-box}
.panel h4{margin:0 0 4px;font-size:13px;font-weight:600}.row{position:absolute;font-size:17px;padding-top:6px}
.stat{flex:1;display:flex;flex-direction:column;justify-content:center;text-align:center;border-radius:3px;margin:2px}
.stat b{font-size:22px}.stats{display:flex;height:calc(100% - 24px)}
table{border-collapse:collapse;width:100%;font-size:12px}td,th{text-align:left;padding:2px 6px;border-bottom:1px solid #2c2f36}
.bar{background:#2c2f36;display:inline-block;height:9px;width:90px;margin-right:6px}.bar i{display:block;height:9px}
.legend{font-size:11px}.mark{position:absolute;right:10px;top:6px;color:#888}
"""

Panel = Mapping[str, Any]


def colour(steps: list[Mapping[str, Any]], value: float) -> str:
    reached = [s["color"] for s in steps if s["value"] is None or value >= s["value"]]
    return NAMED[reached[-1]]


def worded(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB"
    if unit == "s":
        for name, length in (("days", 86400), ("hours", 3600), ("mins", 60)):
            if value >= length:
                return f"{value / length:.1f} {name}"
        return f"{value:.3g} s"
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def legend(target: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    text = target["legendFormat"]
    return "" if text == "__auto" else re.sub(r"{{(\w+)}}", lambda m: labels.get(m[1], ""), text)


class Preview:
    """Draws panels of one dashboard, from what is asked at one moment."""

    def __init__(
        self, server: Prometheus, board: Mapping[str, Any], chosen: Chosen, now: float
    ) -> None:
        self.server, self.board, self.chosen, self.now = server, board, chosen, now

    def html(self) -> str:
        parts = map(self.place, self.board["panels"])
        return (
            f"<meta charset=utf-8><style>{STYLE}</style><div class=mark>a preview, not Grafana</div>"
            f"<h2>{escape(self.board['title'])}</h2><div style=position:relative>{''.join(parts)}</div>"
        )

    def place(self, panel: Panel) -> str:
        at = panel["gridPos"]
        box = (
            f"left:{at['x'] * CELL_X}px;top:{at['y'] * CELL_Y}px;"
            f"width:{at['w'] * CELL_X - GAP}px;height:{at['h'] * CELL_Y - GAP}px"
        )
        instance = self.chosen.values.get("instance", ("",))[0]
        title = escape(panel["title"].replace("$instance", instance))
        if panel["type"] == "row":
            return f'<div class=row style="{box}">{title}</div>'
        drawn = DRAWN[panel["type"]](self, panel)
        return f'<div class=panel style="{box}"><h4>{title}</h4>{drawn}</div>'

    def told(self, panel: Panel) -> Iterator[tuple[str, Mapping[str, Any], Series]]:
        """The legend, the target and the series of all that a panel asks."""
        for target in panel["targets"]:
            query = Query("", panel["title"], "", target["expr"], target["instant"])
            for series in answer(self.server, query, self.chosen, self.now):
                yield legend(target, series.labels), target, series

    def stat(self, panel: Panel) -> str:
        defaults = panel["fieldConfig"]["defaults"]
        words = {
            float(value): shown
            for mapping in defaults["mappings"]
            for value, shown in mapping["options"].items()
        }
        boxes = []
        for name, _, series in self.told(panel):
            value = series.value
            shown = words.get(value, {})
            text = shown.get("text", worded(value, defaults["unit"]))
            back = NAMED.get(shown.get("color", ""), colour(defaults["thresholds"]["steps"], value))
            look = "" if panel["options"]["colorMode"] == "value" else f"background:{back}"
            big, small = (name, "") if panel["options"]["textMode"] == "name" else (text, name)
            boxes.append(
                f'<div class=stat style="{look}"><b>{escape(big)}</b>{escape(small)}</div>'
            )
        return f"<div class=stats>{''.join(boxes) or defaults['noValue']}</div>"

    def bars(self, panel: Panel) -> str:
        told = [(name, series.value) for name, _, series in self.told(panel)]
        most = max((value for _, value in told), default=0) or 1
        return (
            "<table>"
            + "".join(
                f"<tr><td>{escape(name)}<td><span class=bar style=width:220px>"
                f"<i style='width:{value / most:.0%};background:#5794f2'></i></span>{worded(value, 'none')}"
                for name, value in told
            )
            + "</table>"
        )

    def text(self, panel: Panel) -> str:
        bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(panel["options"]["content"]))
        return "<div>" + re.sub(r"\n(\d\.|\n)", r"<br>\1", bold) + "</div>"

    def table(self, panel: Panel) -> str:
        columns: Mapping[str, str] = panel["transformations"][-1]["options"]["renameByName"]
        rows: dict[tuple[str, ...], dict[str, str | float]] = {}
        spread = [
            t["options"]["valueLabel"]
            for t in panel["transformations"]
            if t["id"] == "labelsToFields"
        ]
        for _, target, series in self.told(panel):
            key = tuple(
                series.labels.get(k, "")
                for k in ("job", "instance", "root", "driver", "image", "alertname", "severity")
            )
            row = rows.setdefault(key, {})
            row |= {k: v for k, v in series.labels.items() if not k.startswith("__")}
            row[series.labels[spread[0]] if spread else f"Value #{target['refId']}"] = series.value
        looks = {
            o["matcher"]["options"]: {p["id"]: p["value"] for p in o["properties"]}
            for o in panel["fieldConfig"]["overrides"]
        }
        first = panel["options"]["sortBy"][0]["displayName"]
        (sort,) = [field for field, heading in columns.items() if heading == first]
        ordered = sorted(rows.values(), key=lambda r: (r.get(sort) is None, r.get(sort, "")))
        head = "".join(f"<th>{escape(heading)}" for heading in columns.values())
        return (
            f"<table><tr>{head}"
            + "".join(
                "<tr>"
                + "".join(
                    f"<td>{_cell(row.get(f, ''), looks.get(h, {}))}" for f, h in columns.items()
                )
                for row in ordered
            )
            + "</table>"
        )

    def timeseries(self, panel: Panel) -> str:
        wide, high = panel["gridPos"]["w"] * CELL_X - 80, panel["gridPos"]["h"] * CELL_Y - 70
        defaults = panel["fieldConfig"]["defaults"]
        told = [(name, series.points) for name, _, series in self.told(panel)]
        if not told:
            return escape(defaults["noValue"])
        log = defaults["custom"].get("scaleDistribution", {}).get("type") == "symlog"
        scale = _logarithm if log else float
        most = max(max(v for _, v in points) for _, points in told) or 1
        begin = self.now - self.chosen.seconds

        def y(value: float) -> float:
            return float(high - scale(value) / scale(most) * (high - 8))

        parts = [
            f"<line x1=50 x2={wide + 50} y1={y(s['value']):.0f} y2={y(s['value']):.0f} stroke='{NAMED[s['color']]}'/>"
            for s in defaults["thresholds"]["steps"]
            if s["value"] is not None and s["value"] <= most
        ]
        parts += [
            f"<text x=0 y={y(t):.0f} fill=#888 font-size=10>{worded(t, defaults['unit'])}</text>"
            for t in ([0, 10, 1000, 100_000, 10_000_000] if log else [0, most / 2, most])
            if t <= most
        ]
        shades = [_shade(panel, name, i) for i, (name, _) in enumerate(told)]
        for shade, (_, points) in zip(shades, told, strict=True):
            path = " ".join(
                f"{50 + (t - begin) / self.chosen.seconds * wide:.1f},{y(v):.1f}" for t, v in points
            )
            parts.append(
                f"<polyline points='{path}' fill=none stroke='{shade}' stroke-width=1.5 />"
            )
        names = " ".join(
            f"<span style='color:{shade}'>&#9632;</span> {escape(name)}"
            for shade, (name, _) in zip(shades, told, strict=True)
        )
        return f"<svg width={wide + 60} height={high + 6}>{''.join(parts)}</svg><div class=legend>{names}</div>"


def _shade(panel: Panel, name: str, i: int) -> str:
    """The colour of a line: its own by an override, or the next one."""
    for override in panel["fieldConfig"]["overrides"]:
        pattern = override["matcher"]["options"].strip("/")
        for found in override["properties"]:
            if found["id"] == "color" and re.search(pattern, name):
                return NAMED[found["value"]["fixedColor"]]
    return PALETTE[i % len(PALETTE)]


def _logarithm(value: float) -> float:
    return math.log10(1 + value)


def _cell(value: str | float, look: Mapping[str, Any]) -> str:
    if isinstance(value, str):
        return escape(value)
    said = worded(value, look.get("unit", "none"))
    if "max" not in look:
        return said
    back = colour(look["thresholds"]["steps"], value)
    filled = min(1, value / look["max"])
    return f"<span class=bar><i style='width:{filled:.0%};background:{back}'></i></span>{said}"


DRAWN: Final[Mapping[str, Callable[[Preview, Panel], str]]] = {
    "stat": Preview.stat,
    "bargauge": Preview.bars,
    "text": Preview.text,
    "table": Preview.table,
    "timeseries": Preview.timeseries,
}
