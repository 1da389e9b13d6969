"""The dashboards keep the rules of grafana/dashboard-linter, each checked by its name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from dashboardlint import RULES, excused
from dashboards import DASHBOARDS, FOLDER, HOST

LINT = yaml.safe_load((FOLDER / ".lint").read_text())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)
def test_a_dashboard_keeps_the_rule(board: dict[str, Any], rule: str) -> None:
    found = [f for f in RULES[rule](board) if not excused(LINT, rule, board, f)]
    assert found == []


def test_every_exception_has_a_reason_and_a_use() -> None:
    boards = {board["title"]: board for board in DASHBOARDS.values()}
    for rule, exception in LINT["exclusions"].items():
        assert exception["reason"]
        for entry in exception["entries"]:
            panels = {f.panel for f in RULES[rule](boards[entry["dashboard"]])}
            assert entry.get("panel") in panels, f"{entry} of {rule} excuses nothing"


def _variable(which: str, **wrong: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(board: dict[str, Any]) -> None:
        (found,) = [v for v in board["templating"]["list"] if v["name"] == which]
        found |= wrong

    return spoil


def _panel(**wrong: Any) -> Callable[[dict[str, Any]], None]:
    return lambda board: board["panels"][1].update(wrong)


def _expr(wrong: str) -> Callable[[dict[str, Any]], None]:
    return lambda board: board["panels"][1]["targets"][0].update(expr=wrong)


_CHOSEN = 'job=~"$job",instance=~"$instance"'

SPOILT: dict[str, list[Callable[[dict[str, Any]], None]]] = {
    "template-datasource-rule": [
        _variable("datasource", name="ds"),
        _variable("datasource", label="DS"),
    ],
    "template-job-rule": [_variable("job", multi=False), _variable("job", name="jobs")],
    "template-instance-rule": [
        _variable("instance", allValue=".*"),
        _variable("instance", datasource={"uid": "prometheus"}),
    ],
    "template-label-promql-rule": [
        _variable("root", query="label_values(hardlink_root_up{, root)"),
        _variable("root", query="hardlink_root_up"),
    ],
    "template-on-time-change-reload-rule": [_variable("root", refresh=1)],
    "panel-datasource-rule": [_panel(datasource={"uid": "prometheus"})],
    "panel-title-description-rule": [_panel(title=""), _panel(description="")],
    "panel-units-rule": [_panel(fieldConfig={"defaults": {"unit": "layers"}})],
    "panel-no-targets-rule": [_panel(targets=[])],
    "target-promql-rule": [_expr("sum(")],
    "target-rate-interval-rule": [_expr(f"sum(rate(a_total{{{_CHOSEN}}}[5m]))")],
    "target-job-rule": [_expr('a{job="$job",instance=~"$instance"} / b')],
    "target-instance-rule": [_expr('a{job=~"$job"}')],
    "target-counter-agg-rule": [
        _expr(f"a_total{{{_CHOSEN}}}"),
        _expr(f"max_over_time(a_total{{{_CHOSEN}}}[$__rate_interval])"),
    ],
    "uneditable-dashboard-rule": [lambda board: board.update(editable=True)],
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_what_breaks_it(rule: str) -> None:
    for spoil in SPOILT[rule]:
        board = copy.deepcopy(HOST)
        assert isinstance(board, dict)
        spoil(board)
        assert list(RULES[rule](board)) != []
