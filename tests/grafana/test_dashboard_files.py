"""The committed dashboards are those of the code, and fit Grafana's grid, the metrics and each other."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import rebuild
import yaml
from dashboardlint import selectors
from dashboards import DASHBOARDS, FLEET, FOLDER, HOST, panel_queries, panels, queries

from exporter.config import Config
from exporter.rules.book import all_groups
from exporter.rules.nouns import Record
from exporter.telling.catalogue import CATALOGUE

GRAFANA = FOLDER.parent
RECORDED = {
    rule.name for group in all_groups(Config()) for rule in group.rules if isinstance(rule, Record)
}
boards = pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)


def test_the_committed_files_are_those_of_the_code() -> None:
    committed = {file.name: file.read_text() for file in FOLDER.iterdir()}
    assert committed == rebuild.rendered(), "run `python grafana/rebuild.py`"


@boards
def test_panels_have_ids_of_their_own_and_lie_side_by_side(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            assert x < 24, panel["title"]
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    places = [(p["gridPos"]["y"], p["gridPos"]["x"]) for p in board["panels"]]
    assert all(one < next_ for one, next_ in pairwise(places))


@boards
def test_titles_are_told_apart_and_letters_of_queries_too(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(titles)) == len(titles)
    for panel in panels(board):
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)


def test_every_metric_asked_for_exists_and_every_metric_of_ours_is_shown() -> None:
    ours = {f"hardlink_{gauge.name}" for gauge in CATALOGUE}
    foreign = {"up", "ALERTS", "process_cpu_seconds_total", "process_resident_memory_bytes"}
    asked = {
        s.name for board in DASHBOARDS.values() for q in queries(board) for s in selectors(q.expr)
    }
    assert asked <= ours | foreign | RECORDED
    for_programs = {
        "hardlink_exporter_config_last_reload_success_timestamp_seconds",  # which tells no state
        "hardlink_root_info",  # whose driver the fleet counts
        "hardlink_scan_entries",  # which explains the duration beside it
    }
    assert ours - asked == for_programs


def test_every_recorded_series_is_for_a_panel_or_for_another_rule() -> None:
    asked = {s.name for q in queries(FLEET) for s in selectors(q.expr)}
    rules = [rule.expr for group in all_groups(Config()) for rule in group.rules]
    used = asked | {s.name for expr in rules for s in selectors(expr)}
    assert used >= RECORDED


def test_panels_of_the_fleet_read_recorded_series_alone_and_alerts_that_fire() -> None:
    asked = {s.name for q in queries(FLEET) for s in selectors(q.expr)}
    assert asked <= RECORDED | {"ALERTS"}


def test_panels_of_the_fleet_read_no_series_that_each_host_has() -> None:
    each = "instance_root:hardlink_layers_left:min"
    assert each not in {s.name for q in panel_queries(FLEET) for s in selectors(q.expr)}


@boards
def test_layers_left_turn_colour_at_the_thresholds_of_the_configuration(
    board: dict[str, Any],
) -> None:
    bounds = Config().thresholds
    expected = [
        {"value": None, "color": "red"},
        {"value": bounds.critical, "color": "orange"},
        {"value": bounds.warning, "color": "green"},
    ]
    about = [p for p in panels(board) if re.match("(Layers left|Least left)", p["title"])]
    assert len(about) > 1
    for panel in about:
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"] == expected


def test_links_lead_to_a_dashboard_that_exists() -> None:
    text = (FOLDER / "hardlink-fleet.json").read_text()
    linked = set(re.findall(r'"url": "/d/([\w-]+)\?', text))
    assert linked == {HOST["uid"]}
    (link,) = HOST["links"]
    assert all(set(link["tags"]) <= set(board["tags"]) for board in DASHBOARDS.values())


def test_links_give_the_variables_that_the_host_dashboard_has() -> None:
    named = {v["name"] for v in HOST["templating"]["list"]}
    text = (FOLDER / "hardlink-fleet.json").read_text()
    assert set(re.findall(r"var-(\w+)=", text)) <= named


@boards
def test_no_panel_text_takes_a_figure_for_exact_before_all_layers_are_counted(
    board: dict[str, Any],
) -> None:
    """Layers left and most links are asked for with their doubt, or the text tells of it."""
    doubtful = ("hardlink_layers_left", "hardlink_links_max")
    for panel in panels(board):
        names = {s.name or "" for t in panel["targets"] for s in selectors(t["expr"])}
        if names & set(doubtful) and "deriv" not in panel["targets"][0]["expr"]:
            legends = " ".join(t["legendFormat"] for t in panel["targets"])
            assert "at most" in legends or "at least" in legends, panel["title"]


def test_grafana_finds_the_dashboards_where_the_provisioning_says() -> None:
    (provider,) = _provisioned("dashboards")["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    assert Path(provider["options"]["path"]).name == FOLDER.name


def test_the_provisioned_data_source_is_a_prometheus() -> None:
    (source,) = _provisioned("datasources")["datasources"]
    assert source["type"] == "prometheus"
    assert source["access"] == "proxy"


def _provisioned(kind: str) -> dict[str, Any]:
    (file,) = (GRAFANA / "provisioning" / kind).iterdir()
    document: dict[str, Any] = yaml.safe_load(file.read_text())
    assert document["apiVersion"] == 1
    return document


def test_no_module_of_the_dashboards_is_longer_than_250_lines() -> None:
    lengths = {file.name: len(file.read_text().splitlines()) for file in GRAFANA.rglob("*.py")}
    assert len(lengths) > 5
    assert {name: n for name, n in lengths.items() if n > 250} == {}
