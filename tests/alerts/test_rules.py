"""The rules: what they say by the clock of promtool, and that each figure in them is a parameter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from looking import Run
from prometheus import promtool

from exporter.alerting import Alerts
from exporter.config import Config, parse_config
from exporter.durations import seconds
from exporter.model import Resource, RootReport, ScanFacts
from exporter.rules.book import all_groups
from exporter.rules.nouns import Alert
from exporter.rules.render import to_yaml
from exporter.telling.assessment import Level, assess, assess_waiting, level_of, stale_after
from exporter.yamlfile import ConfigError

HERE = Path(__file__).parent
RULES = HERE.parent.parent / "deploy/prometheus/rules.yml"

ALERTS = [rule for group in all_groups(Config()) for rule in group.rules if isinstance(rule, Alert)]
NAMES = sorted({alert.name for alert in ALERTS})

OTHERWISE = {
    "job": "node",
    "runbook_url": "http://wiki.example/docker",
    "interval": "47s",
    "filling_up_below": 101,
    "depth_left": 11,
    "exporter_restarts": 6,
}
"""A value other than the default for each parameter that is no duration."""


def config_with(**changed: Any) -> Config:
    return Config(alerts=Alerts.model_validate(changed))


def words_of(name: str) -> str:
    return (HERE / f"{name}.yml").read_text()


def test_the_committed_rules_are_what_the_command_prints_with_the_default_configuration(
    run: Run,
) -> None:
    done = run("rules")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == RULES.read_text()


def test_prometheus_takes_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_fires_and_resolves_as_told_and_not_otherwise(name: str) -> None:
    assert "SUCCESS" in promtool("test", "rules", HERE / f"{name}.yml")


@pytest.mark.parametrize("name", NAMES)
def test_the_tests_of_an_alert_say_when_it_fires_when_not_where_the_boundary_is_and_when_it_resolves(
    name: str,
) -> None:
    told = [test["name"] for test in yaml.safe_load(words_of(name))["tests"]]
    for word in ("^fires", "does not fire", "boundary", "resolves", "several"):
        assert any(re.search(word, one) for one in told), f"{name}: no test says {word}"
    assert name == "HardlinkExporterDown" or any("restart" in one for one in told)


def test_no_range_of_a_rule_test_begins_at_a_sample() -> None:
    """Prometheus 2 counts a sample that lies exactly at a range's begin, Prometheus 3 does not.

    So a range over samples that are whole minutes apart is a second longer: `[30m1s:1m]`.
    """
    ranges = [found for name in NAMES for found in re.findall(r"\[(\d\w*?)[:\]]", words_of(name))]
    assert ranges
    assert [found for found in ranges if not re.fullmatch(r"\d+[mhd]1s", found)] == []


def test_every_file_of_rule_tests_is_about_an_alert_that_there_is() -> None:
    assert sorted(path.stem for path in HERE.glob("*.yml")) == NAMES


def test_every_alert_says_all_that_a_person_needs() -> None:
    for alert in ALERTS:
        assert alert.severity in ("info", "warning", "critical")
        assert "{{" not in alert.summary
        assert alert.summary.endswith(".")
        assert alert.action.endswith(".")
        assert "$labels.instance" in alert.description
        assert alert.runbook == f"{Alerts().runbook_url}/{alert.name}.md"


def test_no_two_alerts_of_one_name_have_one_severity() -> None:
    told = [(alert.name, alert.severity) for alert in ALERTS]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("key", list(Alerts.model_fields))
def test_every_parameter_changes_the_rules(key: str, tmp_path: Path) -> None:
    changed = to_yaml(all_groups(config_with(**{key: OTHERWISE.get(key, "47m")})))
    assert changed != RULES.read_text()
    (tmp_path / "rules.yml").write_text(changed)
    assert "SUCCESS" in promtool("check", "rules", tmp_path / "rules.yml")


def test_the_thresholds_of_layers_left_are_those_of_the_table_and_the_page() -> None:
    config = parse_config(b"thresholds: {warning: 31, critical: 7}", "config.yml")
    told = to_yaml(all_groups(config))
    for below in ("held < 31", "held < 7", "{%[1]s} < 31"):
        assert below in told
    assert "held < 20" not in told


AT = 600
"""Seconds from promtool's beginning to the moment that is asked about."""


LABELS = {"job": "hardlink-exporter", "instance": "b", "root": "/r", "driver": "overlay"}

ANY_STATE = ""
FIRING = 'alertstate="firing"'


def raised(
    folder: Path,
    config: Config,
    name: str,
    values: str,
    expected: Iterable[str],
    state: str = ANY_STATE,
    **own: str,
) -> None:
    """See by promtool which alerts a series raises, each given as `name severity`."""
    found = {
        f'{{alertname="{name}",severity="{severity}"}}': 1
        for name, severity in (alert.split() for alert in expected)
    }
    count = f'count by (alertname, severity) (ALERTS{{driver!="",{state}}})'
    asked(folder, config, series(name, **own), values, count, found)


def series(name: str, **own: str) -> str:
    labels = ",".join(f"{key}={json.dumps(value)}" for key, value in (LABELS | own).items())
    return f"{name}{{{labels}}}"


def asked(
    folder: Path, config: Config, given: str, values: str, query: str, found: Mapping[str, float]
) -> None:
    """See by promtool what a query gives where the rules know one series."""
    (folder / "rules.yml").write_text(to_yaml(all_groups(config)))
    test = {
        "interval": "1m",
        "input_series": [{"series": given, "values": values}],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": f"{AT}s",
                "exp_samples": [{"labels": key, "value": value} for key, value in found.items()],
            }
        ],
    }
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yml").write_text(yaml.safe_dump(document))
    assert "SUCCESS" in promtool("test", "rules", folder / "test.yml")


def always(value: float) -> str:
    """One value at each minute."""
    return f"{value}x{AT // 60}"


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "scan: {interval: 900}", "alerts: {stale_after: 7m}"),
        *("alerts: {stale_for: 3m}", "alerts: {stale_for: 0s}"),
    ],
)
@pytest.mark.parametrize("is_ahead", [False, True])
def test_stale_is_the_same_to_the_alert_that_fires_as_to_every_output(
    text: str, is_ahead: bool, tmp_path: Path
) -> None:
    config = parse_config(text.encode(), "config.yml")
    after, wait = stale_after(config), seconds(config.alerts.stale_for)
    for past in (0, 1):
        age = -after - past if is_ahead else after + wait + past
        report = RootReport("/r", ScanFacts(True, 1.0, AT - age), "overlay", up=True)
        stale = assess(report, config, AT).stale
        expected = ["HardlinkScanStale warning"] if stale else []
        looked, name = always(AT - age), "hardlink_scan_timestamp_seconds"
        raised(tmp_path, config, name, looked, expected, FIRING)
        count, of_job = "job:hardlink_roots_stale:sum", '{job="hardlink-exporter"}'
        asked(tmp_path, config, series(name), looked, count, {f"{count}{of_job}": int(stale)})
        assert stale == (past > 0)


@pytest.mark.parametrize("text", ["{}", "alerts: {stale_for: 3m}"])
def test_a_root_without_an_answer_is_stale_to_every_output_when_the_alert_fires(
    text: str, tmp_path: Path
) -> None:
    config = parse_config(text.encode(), "config.yml")
    wait = int(seconds(config.alerts.stale_for))
    for waited in (wait - 60, wait + 60):
        stale = assess_waiting("/r", waited, config).stale
        expected = ["HardlinkScanStale warning"] if stale else []
        came = "_ " * ((AT - waited) // 60) + "0x60"
        raised(tmp_path, config, "hardlink_watch_active", came, expected, FIRING)
        assert stale == (waited > wait)


RAISED = {
    Level.OK: (),
    Level.INFO: ("HardlinkLayerDepthNearLimit info",),
    Level.WARNING: ("HardlinkLayersLeftLow warning",),
    Level.CRITICAL: ("HardlinkLayersLeftLow warning", "HardlinkLayersLeftLow critical"),
    Level.EXHAUSTED: (
        *("HardlinkLayersLeftLow warning", "HardlinkLayersLeftLow critical"),
        "HardlinkExhausted critical",
    ),
}
"""The alerts at each level."""


@pytest.mark.parametrize(
    ("resource", "left"),
    [(Resource.LINKS, n) for n in (0, 1, 6, 7, 30, 31)]
    + [(Resource.INODES, n) for n in (0, 7, 31)]
    + [(Resource.DEPTH, n) for n in (0, 10, 11)],
)
def test_a_level_is_the_same_to_the_alerts_as_to_every_output(
    resource: Resource, left: int, tmp_path: Path
) -> None:
    config = parse_config(
        b"{thresholds: {warning: 31, critical: 7}, alerts: {depth_left: 11}}", "config.yml"
    )
    expected = RAISED[level_of(resource, left, config)]
    raised(tmp_path, config, "hardlink_layers_left", always(left), expected, resource=resource)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hold: 5", "it should be a valid string, not 5"),
        ("hold: ''", "it should be a duration such as 30s, 5m, 1h30m or 1d, not ''"),
        ("hold: 5 m", "it should be a duration such as 30s, 5m, 1h30m or 1d, not '5 m'"),
        ("hold: 1m1h", "it should be a duration such as 30s, 5m, 1h30m or 1d, not '1m1h'"),
        ("hold: 0s", "it should be longer than nothing, not '0s'"),
        (
            "interval: 5m",
            "it should be shorter than 5m, after which Prometheus forgets a series, not '5m'",
        ),
        ("filling_up_below: -1", "it should be greater than or equal to 0, not -1"),
    ],
)
def test_what_is_no_parameter_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(f"alerts:\n  {text}".encode(), "config.yml")
    assert str(error.value) == f"config.yml:2:3: alerts.{text.partition(':')[0]}: {said}"


@pytest.mark.parametrize("text", ['job: a"} or b', "job: '{{x}}'", "runbook_url: 'ftp://x'"])
def test_no_parameter_can_break_out_of_a_rule(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(f"alerts: {{{text}}}".encode(), "config.yml")
