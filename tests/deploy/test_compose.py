"""deploy/compose.yaml: its form, what it grants, and its services at work with the very same files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from composed import COMPOSE, Composed, composed
from needs import need_program

pytestmark = pytest.mark.tools

TOP = COMPOSE.parent.parent
FILE: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
SERVICES: dict[str, Any] = FILE["services"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    with composed(tmp_path_factory.mktemp("composed")) as services:
        yield services


def test_it_is_a_compose_file_by_the_schema() -> None:
    words = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    done = subprocess.run([*words, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_service_has_a_privilege_or_writes_to_its_image() -> None:
    for service in SERVICES.values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert (
            service.keys() & {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"}
            == set()
        )
        assert all(volume.endswith(":ro") for volume in service.get("volumes", ()))


def test_ports_are_open_on_loopback_alone_and_versions_are_exact() -> None:
    for name, service in SERVICES.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        if service["image"] != "hardlink-exporter-demo":
            assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name


def test_every_file_that_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            assert (COMPOSE.parent / volume.partition(":")[0]).exists(), volume
    build = SERVICES["hardlink-exporter"]["build"]
    top = COMPOSE.parent / build["context"]
    dockerfile = (top / build["dockerfile"]).read_text()
    copied = [
        w for words in re.findall(r"^COPY (.*) ", dockerfile, re.MULTILINE) for w in words.split()
    ]
    assert copied
    assert all((top / path).exists() for path in copied)
    ignored = (top / ".dockerignore").read_text().splitlines()
    assert {f"!{path.rstrip('/')}" for path in copied} <= set(ignored)


@pytest.mark.parametrize(
    ("service", "program"),
    [("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")],
)
def test_its_versions_are_those_that_are_tried_here(service: str, program: str) -> None:
    need_program(program)
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    told = re.search(r"version (\d+\.\d+\.\d+)", said.stdout + said.stderr)
    assert told is not None
    assert SERVICES[service]["image"].endswith(f":v{told[1]}")


def test_promtool_and_amtool_find_nothing_wrong(running: Composed) -> None:
    need_program("promtool", "amtool")
    for words in (
        ("promtool", "check", "config", "/etc/prometheus/prometheus.yml"),
        ("amtool", "check-config", "/etc/alertmanager/alertmanager.yml"),
    ):
        done = running.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_and_alertmanager_are_healthy_by_their_own_health_checks(
    running: Composed,
) -> None:
    running.await_that(lambda: running.healthy("prometheus"))
    running.await_that(lambda: running.healthy("alertmanager"))


def test_prometheus_scrapes_the_demo_with_every_rule_loaded(running: Composed) -> None:
    running.await_that(lambda: running.healthy("prometheus"))
    groups = running.ask("http://prometheus:9090/api/v1/rules")["data"]["groups"]
    loaded = [rule["name"] for group in groups for rule in group["rules"]]
    written = yaml.safe_load((TOP / "deploy/prometheus/rules.yml").read_text())["groups"]
    names = [rule.get("alert") or rule["record"] for group in written for rule in group["rules"]]
    assert (sorted(loaded), "HardlinkExhausted" in loaded) == (sorted(names), True)
    running.await_that(lambda: running.query('hardlink_layers_left{resource="links"}'))
    (up,) = running.query("up")
    assert (up["metric"]["job"], up["value"][1]) == ("hardlink-exporter", "1")


def test_what_prometheus_tells_alertmanager_reaches_the_chat(running: Composed) -> None:
    running.await_that(lambda: running.healthy("prometheus") and running.healthy("alertmanager"))

    def known() -> bool:
        said = running.ask("http://prometheus:9090/api/v1/alertmanagers")
        return [a["url"] for a in said["data"]["activeAlertmanagers"]] == [
            "http://alertmanager:9093/api/v2/alerts"
        ]

    running.await_that(known)
    labels = {"alertname": "HardlinkExhausted", "severity": "critical", "root": "/var/lib/docker"}
    body = json.dumps([{"labels": labels, "annotations": {"summary": "No layer fits."}}])
    url = "http://alertmanager:9093/api/v2/alerts"
    words = ("--header", "Content-Type: application/json", "--post-data", body, url)
    sent = running.run("busybox", "wget", "-q", "-O", "-", *words)
    assert sent.returncode == 0, sent.stderr
    running.await_that(lambda: "No layer fits." in running.log("chat"))
    assert "-- to #on-call" in running.log("chat")
