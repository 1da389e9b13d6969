"""The recording rules: their names, their shape, and what they record."""

from __future__ import annotations

import re
from pathlib import Path

import promql_parser as promql
from dashboardlint import nodes
from prometheus import promtool

from exporter.config import Config, parse_config
from exporter.rules.nouns import Record
from exporter.rules.recording import recording_groups

RECORDS = [
    rule for group in recording_groups(Config()) for rule in group.rules if isinstance(rule, Record)
]


def test_promtool_finds_what_is_expected_recorded() -> None:
    assert "SUCCESS" in promtool("test", "rules", Path(__file__).parent / "recording.yml")


def test_names_are_level_metric_and_operation() -> None:
    for rule in RECORDS:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)?:hardlink_[a-z_]+:[a-z0-9_]+", rule.name), rule.name


def test_labels_are_dropped_by_name_so_that_labels_of_ones_own_stay() -> None:
    for rule in RECORDS:
        for node, _ in nodes(rule.expr):
            if isinstance(node, promql.AggregateExpr):
                assert node.modifier is not None, rule.name
                assert node.modifier.type == promql.AggModifierType.Without, rule.name


def test_what_is_told_of_a_job_drops_every_label_that_tells_hosts_apart() -> None:
    for rule in RECORDS:
        if not rule.name.startswith("instance"):
            (outermost,) = [node for node, above in nodes(rule.expr) if above is None]
            assert set(outermost.modifier.labels) >= {"instance", "pod", "node"}, rule.name


def test_thresholds_job_and_interval_are_those_of_the_configuration() -> None:
    config = parse_config(
        b"thresholds: {warning: 33, critical: 7}\n"
        b"alerts: {job: docker links, interval: 1m, stale_after: 45m, stale_for: 2m, layer_failed_window: 25m}\n",
        "exporter.yml",
    )
    (group,) = recording_groups(config)
    text = "\n".join(rule.expr for rule in group.rules)
    assert group.interval == "1m"
    assert "< bool 33" in text
    assert "< bool 7" in text
    assert "< bool -2700" in text
    assert "> bool 2820" in text
    assert "[25m]" in text
    assert text.count('up{job="docker links"}') == 2
