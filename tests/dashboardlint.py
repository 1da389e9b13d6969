"""The rules of grafana/dashboard-linter, by their names there, and the exceptions of its file `.lint`.

Read from docs/rules and lint/ of that project (2026-06). Its rules for Loki's queries have
nothing to say of dashboards of Prometheus.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import promql_parser as promql
from dashboards import Dashboard, panels, variables

LINTED: Final = ("stat", "singlestat", "gauge", "graph", "timeseries", "table")
"""Types of panels whose looks are checked."""

QUERIED: Final = ("stat", "singlestat", "graph", "timeseries", "table", "state-timeline")
"""Types of panels whose queries are checked; we check those of bar gauges too."""

UNITS: Final = ("none", "short", "percentunit", "bytes", "s", "cps")
"""Of Grafana's units, those that we have a use for."""

RATE_INTERVAL: Final = dt.timedelta(seconds=4321)

Panel = Mapping[str, Any]
Node = Any


class Finding(NamedTuple):
    """What a rule says, and of which panel, if of one."""

    said: str
    panel: str | None = None


Rule = Callable[[Dashboard], Iterator[Finding]]


def template_datasource(board: Dashboard) -> Iterator[Finding]:
    found = [v for v in board["templating"]["list"] if v["type"] == "datasource"]
    said = [(v["name"], v["label"], v["query"]) for v in found]
    if said != [("datasource", "Data source", "prometheus")]:
        yield Finding(f"one data source is to be chosen, not {said}")


def template_label(name: str) -> Rule:
    def rule(board: Dashboard) -> Iterator[Finding]:
        variable = variables(board).get(name)
        if variable is None:
            yield Finding(f"there is no variable {name}")
            return
        expected = {"type": "query", "label": name.title(), "multi": True, "allValue": ".+"}
        wrong = {key for key, value in expected.items() if variable.get(key) != value}
        if variable["datasource"]["uid"] not in ("$datasource", "${datasource}"):
            wrong.add("datasource")
        if wrong:
            yield Finding(f"the variable {name} has wrong {sorted(wrong)}")

    return rule


def template_label_promql(board: Dashboard) -> Iterator[Finding]:
    for name, variable in _asked(board).items():
        found = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"])
        if found is None or _parsed(found[1]) is None:
            yield Finding(f"the variable {name} asks {variable['query']}")


def template_on_time_change_reload(board: Dashboard) -> Iterator[Finding]:
    for name, variable in _asked(board).items():
        if variable["refresh"] != 2:
            yield Finding(f"the variable {name} does not follow the time range")


def panel_datasource(board: Dashboard) -> Iterator[Finding]:
    for panel in _of(board, LINTED):
        for asked in (panel, *panel["targets"]):
            if asked.get("datasource", {}).get("uid") not in ("$datasource", "${datasource}"):
                yield Finding("it does not use the chosen data source", panel["title"])


def panel_title_description(board: Dashboard) -> Iterator[Finding]:
    for panel in _of(board, (*LINTED, "bargauge")):
        if not panel["title"] or not panel["description"]:
            yield Finding("it has no title or no description", panel["title"])


def panel_units(board: Dashboard) -> Iterator[Finding]:
    for panel in _of(board, (*LINTED, "bargauge")):
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield Finding("it has no unit that we know", panel["title"])


def panel_no_targets(board: Dashboard) -> Iterator[Finding]:
    for panel in _of(board, (*LINTED, "bargauge")):
        if not panel["targets"]:
            yield Finding("it asks nothing", panel["title"])


def target_promql(board: Dashboard) -> Iterator[Finding]:
    for panel, expr in _exprs(board):
        if _parsed(expr) is None:
            yield Finding(f"no PromQL: {expr}", panel)


def target_rate_interval(board: Dashboard) -> Iterator[Finding]:
    for panel, expr in _exprs(board):
        for node, parent in nodes(expr):
            rated = isinstance(parent, promql.Call) and parent.func.name in ("rate", "irate")
            if isinstance(node, promql.MatrixSelector) and rated and node.range != RATE_INTERVAL:
                yield Finding(f"not over $__rate_interval: {expr}", panel)


def target_label(name: str) -> Rule:
    def rule(board: Dashboard) -> Iterator[Finding]:
        for panel, expr in _exprs(board):
            for node, _ in nodes(expr):
                if isinstance(node, promql.VectorSelector) and (name, f"${name}") not in [
                    (m.name, m.value) for m in node.matchers.matchers if m.op == promql.MatchOp.Re
                ]:
                    yield Finding(f'{node} has no {name}=~"${name}"', panel)

    return rule


def target_counter_agg(board: Dashboard) -> Iterator[Finding]:
    for panel, expr in _exprs(board):
        rated = {
            str(node.vector_selector)
            for node, parent in nodes(expr)
            if isinstance(node, promql.MatrixSelector)
            and isinstance(parent, promql.Call)
            and parent.func.name in ("rate", "irate", "increase")
        }
        for node, _ in nodes(expr):
            if (
                isinstance(node, promql.VectorSelector)
                and (node.name or "").endswith("_total")
                and str(node) not in rated
            ):
                yield Finding(f"a bare counter: {expr}", panel)


def uneditable_dashboard(board: Dashboard) -> Iterator[Finding]:
    if board["editable"]:
        yield Finding("it can be edited")


RULES: Final[Mapping[str, Rule]] = {
    "template-datasource-rule": template_datasource,
    "template-job-rule": template_label("job"),
    "template-instance-rule": template_label("instance"),
    "template-label-promql-rule": template_label_promql,
    "template-on-time-change-reload-rule": template_on_time_change_reload,
    "panel-datasource-rule": panel_datasource,
    "panel-title-description-rule": panel_title_description,
    "panel-units-rule": panel_units,
    "panel-no-targets-rule": panel_no_targets,
    "target-promql-rule": target_promql,
    "target-rate-interval-rule": target_rate_interval,
    "target-job-rule": target_label("job"),
    "target-instance-rule": target_label("instance"),
    "target-counter-agg-rule": target_counter_agg,
    "uneditable-dashboard-rule": uneditable_dashboard,
}


def excused(lint: Mapping[str, Any], rule: str, board: Dashboard, finding: Finding) -> bool:
    """Whether `.lint` has an entry for just this."""
    entries = lint["exclusions"].get(rule, {}).get("entries", [])
    return any(
        entry["dashboard"] == board["title"] and entry.get("panel") == finding.panel
        for entry in entries
    )


def selectors(expr: str) -> list[promql.VectorSelector]:
    """Every selector of a query in which Grafana's variables may stand."""
    return [node for node, _ in nodes(expr) if isinstance(node, promql.VectorSelector)]


def nodes(expr: str) -> list[tuple[Node, Node | None]]:
    """Every node of a query with its parent."""
    found: list[tuple[Node, Node | None]] = []
    above: list[Node] = []

    def enter(node: promql.Expr) -> bool:
        found.append((node, above[-1] if above else None))
        above.append(node)
        return True

    def leave(_: promql.Expr) -> bool:
        above.pop()
        return True

    parsed = _parsed(expr)
    if parsed is not None:
        promql.walk(parsed, enter, leave)
    return found


def _asked(board: Dashboard) -> dict[str, Mapping[str, Any]]:
    return {name: v for name, v in variables(board).items() if v["type"] == "query"}


def _of(board: Dashboard, types: tuple[str, ...]) -> Iterator[Panel]:
    return (panel for panel in panels(board) if panel["type"] in types)


def _exprs(board: Dashboard) -> Iterator[tuple[str, str]]:
    for panel in _of(board, (*QUERIED, "bargauge")):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def _parsed(expr: str) -> promql.Expr | None:
    ranges = {"$__rate_interval": f"{RATE_INTERVAL.seconds}s", "$__range": "1h"}
    for variable, value in ranges.items():
        expr = expr.replace(f"[{variable}", f"[{value}")  # of a subquery too
    try:
        return promql.parse(expr)
    except ValueError:
        return None
