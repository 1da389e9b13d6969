"""The example of Alertmanager: who is told, how it reads, and that nobody else is silenced."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from alertmanager import EXAMPLE, Alertmanager, alertmanager, amtool, chat

from exporter.config import Config
from exporter.rules.book import all_groups
from exporter.rules.nouns import Alert

CONFIG = EXAMPLE / "alertmanager.yml"

ALERTS = [rule for group in all_groups(Config()) for rule in group.rules if isinstance(rule, Alert)]

HOST = {"job": "hardlink-exporter", "instance": "build1"}
ROOT = HOST | {"root": "/var/lib/docker"}
DRIVER = ROOT | {"driver": "overlay"}
LINKS = DRIVER | {"resource": "links"}

Labels = dict[str, str]


def an_alert(name: str, severity: str, labels: Mapping[str, str]) -> Labels:
    return {"alertname": f"Hardlink{name}", "severity": severity, **labels}


EXHAUSTED = an_alert("Exhausted", "critical", LINKS)
CRITICAL = an_alert("LayersLeftLow", "critical", LINKS)
LOW = an_alert("LayersLeftLow", "warning", LINKS)
FILLING_UP = an_alert("FillingUp", "warning", LINKS)
FAILED = an_alert("LayerFailed", "warning", DRIVER)
ROOT_DOWN = an_alert("RootDown", "warning", ROOT)
STALE = an_alert("ScanStale", "warning", DRIVER)
INCOMPLETE = an_alert("ScanIncomplete", "warning", DRIVER)
WATCH_LOST = an_alert("WatchLost", "info", ROOT)
EXPORTER_DOWN = an_alert("ExporterDown", "warning", HOST)


def test_alertmanager_takes_the_example_with_its_template() -> None:
    assert "1 templates" in amtool("check-config", CONFIG)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name} {alert.severity}")
def test_an_alert_goes_to_who_must_act_on_it(alert: Alert) -> None:
    labels = [f"alertname={alert.name}", f"severity={alert.severity}", "instance=build1"]
    told = amtool("config", "routes", "test", f"--config.file={CONFIG}", *labels)
    assert (
        told.strip() == {"critical": "on-call", "warning": "team", "info": "digest"}[alert.severity]
    )


def test_an_alert_of_somebody_else_takes_none_of_our_routes() -> None:
    for name in ("NodeDown", "MyHardlinkThing"):
        told = amtool(
            "config",
            "routes",
            "test",
            f"--config.file={CONFIG}",
            f"alertname={name}",
            "severity=critical",
        )
        assert told.strip() == "team"


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    with chat() as heard, alertmanager(tmp_path_factory.mktemp("manager"), heard) as running:
        yield running


def silenced(manager: Alertmanager, test: str, *alerts: Labels) -> list[Labels]:
    """Raise these alerts, and give those that are inhibited. `test` keeps them from other tests'.

    Alertmanager takes alerts in one after the other, so when a pair that was raised later is
    judged, all of these are.
    """
    marked = [alert | ({"job": test} if "job" in alert else {"mark": test}) for alert in alerts]
    later = f"{test}, later"
    manager.post(marked)
    manager.post([EXHAUSTED | {"job": later}, LOW | {"job": later}])
    manager.await_that(lambda: LOW | {"job": later} in inhibited(manager))
    found = inhibited(manager)
    return [alert for alert, labels in zip(alerts, marked, strict=True) if labels in found]


def inhibited(manager: Alertmanager) -> list[Labels]:
    return [alert["labels"] for alert in manager.alerts() if alert["status"]["inhibitedBy"]]


def test_of_one_root_only_the_gravest_is_told(manager: Alertmanager) -> None:
    assert silenced(manager, "a", EXHAUSTED, CRITICAL, LOW, FILLING_UP, FAILED) == [
        CRITICAL,
        LOW,
        FILLING_UP,
        FAILED,
    ]
    assert silenced(manager, "b", CRITICAL, LOW, FILLING_UP, FAILED) == [LOW, FILLING_UP]
    assert silenced(manager, "c", LOW, FILLING_UP, FAILED) == [FILLING_UP]


def test_an_exporter_or_a_root_that_is_down_explains_what_else_is_wrong_with_the_watching(
    manager: Alertmanager,
) -> None:
    watching = (STALE, INCOMPLETE, WATCH_LOST)
    assert silenced(manager, "d", EXPORTER_DOWN, ROOT_DOWN, *watching) == [ROOT_DOWN, *watching]
    assert silenced(manager, "e", ROOT_DOWN, *watching) == list(watching)


def test_no_trouble_of_the_watching_silences_that_layers_run_out(manager: Alertmanager) -> None:
    graver = (EXPORTER_DOWN, ROOT_DOWN, STALE)
    assert silenced(manager, "f", *graver, EXHAUSTED) == [ROOT_DOWN, STALE]
    assert silenced(manager, "g", *graver, LOW) == [ROOT_DOWN, STALE]


@pytest.mark.parametrize(
    "other",
    [
        {"instance": "build2"},
        {"root": "/data"},
        {"resource": "inodes"},
        {"driver": "overlay2"},
        {"cluster": "east"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_host_root_driver_or_resource_is_not_silenced(
    manager: Alertmanager, other: Labels
) -> None:
    mark = f"other {next(iter(other))}"
    assert silenced(manager, mark, EXHAUSTED, LOW | other, FILLING_UP | other) == [
        FILLING_UP | other
    ], "only by the warning of its own"


def test_hosts_of_one_name_in_two_clusters_are_told_apart(manager: Alertmanager) -> None:
    west, east = {"cluster": "west"}, {"cluster": "east"}
    assert silenced(
        manager, "clusters", EXPORTER_DOWN | west, ROOT_DOWN | west, ROOT_DOWN | east, STALE | east
    ) == [ROOT_DOWN | west, STALE | east]


def test_one_message_is_about_one_cluster() -> None:
    (ours,) = yaml.safe_load(CONFIG.read_text())["route"]["routes"]
    for route in (ours, *ours["routes"]):
        assert "cluster" in route["group_by"]


@pytest.mark.parametrize("graver", [EXHAUSTED, CRITICAL, LOW, EXPORTER_DOWN, ROOT_DOWN])
def test_no_alert_of_somebody_else_is_silenced(manager: Alertmanager, graver: Labels) -> None:
    """Neither where it has all the labels, nor where both lack them."""
    strangers = [
        {"alertname": "NodeDown", "severity": "warning", **LINKS},
        {"alertname": "DiskFull", "severity": "info", **HOST},
        {"alertname": "Bare", "severity": "warning"},
    ]
    mark = f"strangers of {graver['alertname']} {graver['severity']}"
    assert silenced(manager, mark, graver, *strangers) == []


def test_alerts_that_lack_the_labels_silence_nothing(manager: Alertmanager) -> None:
    bare = [
        {"alertname": f"Hardlink{name}", "severity": severity}
        for name, severity in (
            ("Exhausted", "critical"),
            ("LayersLeftLow", "critical"),
            ("LayersLeftLow", "warning"),
            ("FillingUp", "warning"),
            ("LayerFailed", "warning"),
            ("ExporterDown", "warning"),
            ("RootDown", "warning"),
            ("ScanStale", "warning"),
        )
    ]
    assert silenced(manager, "bare", *bare) == []


def test_each_inhibition_asks_on_both_sides_for_every_label_that_it_compares() -> None:
    for rule in yaml.safe_load(CONFIG.read_text())["inhibit_rules"]:
        for side in (rule["source_matchers"], rule["target_matchers"]):
            assert any(one.startswith(('alertname="Hard', 'alertname=~"Hard')) for one in side)
            for label in set(rule["equal"]) - {"cluster"}:
                assert f'{label}=~".+"' in side


def rendered(
    folder: Path,
    template: str,
    firing: int,
    resolved: int = 0,
    name: str = "HardlinkExporterDown",
    **shared: str,
) -> str:
    """Render a template for so many alerts, each of a host of its own, as Alertmanager would."""
    (alert,) = [a for a in ALERTS if a.name == name]
    annotations = {
        "summary": alert.summary,
        "description": "Nobody answers.",
        "action": alert.action,
        "runbook_url": alert.runbook,
    }
    common = {"alertname": alert.name, "severity": "warning", "job": "hardlink-exporter", **shared}
    alerts = [
        {
            "status": "firing" if i < firing else "resolved",
            "labels": common | {"instance": f"build{i}"},
            "annotations": annotations,
        }
        for i in range(firing + resolved)
    ]
    data = {
        "status": "firing" if firing else "resolved",
        "alerts": alerts,
        "commonLabels": common if len(alerts) > 1 else alerts[0]["labels"],
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager:9093",
    }
    (folder / "data.json").write_text(json.dumps(data))
    return amtool(
        *("template", "render", f"--template.glob={EXAMPLE / 'hardlink.tmpl'}"),
        *(f"--template.data={folder / 'data.json'}", "--template.type=text"),
        f'--template.text={{{{ template "hardlink.{template}" . }}}}',
    )


def test_a_trouble_of_many_hosts_is_one_message_that_can_be_read(tmp_path: Path) -> None:
    assert rendered(tmp_path, "title", 300) == "[WARNING] HardlinkExporterDown: 300 in all"
    text = rendered(tmp_path, "text", 300)
    assert text.count("What to do:") == 10
    assert text.count("\nHost: build") == 10
    assert text.endswith("These are the first 10 of 300; all are at http://alertmanager:9093\n")
    assert len(text) < 8000


@pytest.mark.parametrize(
    ("hosts", "said"), [(1, "/var/lib/docker on build0"), (3, "3 in all")], ids=["one", "many"]
)
def test_hosts_that_share_a_root_are_counted_and_one_is_named(
    tmp_path: Path, hosts: int, said: str
) -> None:
    title = rendered(tmp_path, "title", hosts, name="HardlinkRootDown", root="/var/lib/docker")
    assert title == f"[WARNING] HardlinkRootDown: {said}"


def test_what_is_over_is_told_apart_from_what_goes_on(tmp_path: Path) -> None:
    text = rendered(tmp_path, "text", 1, 12)
    assert text.startswith(
        "Nobody watches the hard links of a host.\nHost: build0\nNobody answers."
    )
    assert text.count("No longer so: Nobody watches the hard links of a host.\nHost: build") == 10
    assert text.endswith("These are the first 10 of 12 that are over.\n")
    assert rendered(tmp_path, "title", 0, 2) == "[RESOLVED] HardlinkExporterDown: 2 in all"
    assert rendered(tmp_path, "color", 0, 2) == "good"
