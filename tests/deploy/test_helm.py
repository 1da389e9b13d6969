"""The chart is sound: real Helm lints, renders and packs it, and Kubernetes' schemas accept all of it."""

from __future__ import annotations

import importlib
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from chart import (
    CHART,
    CLIENTS,
    MATRIX,
    TOP,
    VERSION,
    Document,
    helm,
    of_kind,
    pod_of,
    render,
)
from prometheus import promtool

pytestmark = pytest.mark.tools

KUBERNETES = ("1.25", "1.37")
"""The oldest and the newest release of which there are schemas."""

OPERATOR = "monitoring.coreos.com/v1"

RULES = TOP / "deploy/prometheus/rules.yml"
DASHBOARDS = sorted((TOP / "grafana/dashboards").glob("*.json"))

ALL_ON = ("-f", CHART / "ci/everything-values.yaml")

matrix = pytest.mark.parametrize("values", MATRIX, ids=lambda path: path.stem)
clients = pytest.mark.parametrize("client", CLIENTS)


def check(document: Document) -> None:
    """Hold an object to the schemas: unknown fields are errors, as are wrong types."""
    if document["apiVersion"] == OPERATOR:
        models = importlib.import_module("cloudcoil.models.prometheus_operator.v1")
        understood: Any = getattr(models, document["kind"]).model_validate(document)
        told = understood.model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert told == document, "the operator's models leave out what they do not know"
    else:
        for version in KUBERNETES:
            kubernetes_validate.validate(document, version, strict=True)


@clients
@matrix
def test_helm_lint_is_content_in_its_strictest_mode(client: str, values: Path) -> None:
    done = helm(client, "lint", "--strict", CHART, "-f", values)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout
    assert "[ERROR]" not in done.stdout


@matrix
def test_every_object_follows_the_schemas(values: Path) -> None:
    documents = render("-f", values)
    assert len(documents) >= 2
    for document in documents:
        check(document)
        assert document["metadata"]["namespace"] in ("watch", "monitoring")


def test_a_field_that_is_misspelt_would_be_seen() -> None:
    documents = render(*ALL_ON)
    pod_of(documents)["containers"][0]["readOnlyRootFilesystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRootFilesystem"):
        check(of_kind("DaemonSet", documents))
    monitor = of_kind("PodMonitor", documents)
    monitor["spec"]["samplelimit"] = 1
    with pytest.raises(AssertionError):
        check(monitor)


def test_memory_has_the_same_limit_in_the_chart_the_unit_and_the_documented_command() -> None:
    (container,) = pod_of(render())["containers"]
    unit = (TOP / "deploy/systemd/hardlink-exporter.service").read_text()
    told = [*re.findall(r"--memory (\S+)", (TOP / "deploy/container.md").read_text())]
    told += re.findall(r"^MemoryMax=(\S+)", unit, re.MULTILINE)
    told += [container["resources"]["limits"]["memory"]]
    assert [limit.upper().removesuffix("I") for limit in told] == ["512M"] * 4


@matrix
def test_helm_3_and_helm_4_make_the_same(values: Path) -> None:
    def by_name(documents: list[Document]) -> dict[tuple[str, str], Document]:
        return {(d["kind"], d["metadata"]["name"]): d for d in documents}

    one, other = (by_name(render("-f", values, client=client)) for client in CLIENTS)
    assert one == other


@clients
def test_the_oldest_kubernetes_is_served_and_the_one_before_refused(client: str) -> None:
    assert render(*ALL_ON, "--kube-version=1.19.0", client=client)
    done = helm(client, "template", "links", CHART, "--kube-version=1.18.20")
    assert done.returncode == 1
    assert "incompatible with Kubernetes v1.18.20" in done.stderr


@clients
def test_an_archive_holds_the_projects_own_rules_and_dashboards(
    client: str, tmp_path: Path
) -> None:
    assert helm(client, "package", CHART, "-d", tmp_path).returncode == 0
    archive = tmp_path / f"hardlink-exporter-{VERSION}.tgz"
    with tarfile.open(archive) as packed:
        files = {
            member.name.removeprefix("hardlink-exporter/"): (held := packed.extractfile(member))
            and held.read()
            for member in packed
        }
    assert files["files/rules.yml"] == RULES.read_bytes()
    assert {name for name in files if name.startswith("files/dashboards/")} == {
        f"files/dashboards/{path.name}" for path in DASHBOARDS
    }
    for path in DASHBOARDS:
        assert files[f"files/dashboards/{path.name}"] == path.read_bytes()
    assert not [name for name in files if name.startswith("ci/")]
    assert render(*ALL_ON, client=client, chart=archive) == render(*ALL_ON, client=client)


def test_the_rule_object_is_the_projects_rules_word_for_word(tmp_path: Path) -> None:
    spec = of_kind("PrometheusRule", render(*ALL_ON))["spec"]
    assert spec == yaml.safe_load(RULES.read_text())
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(spec))
    assert "SUCCESS" in promtool("check", "rules", tmp_path / "rules.yml")


@clients
def test_rules_of_ones_own_reach_kubernetes_with_their_templates(
    client: str, tmp_path: Path
) -> None:
    annotation = '{{ range query "up" }}{{ .Labels.image }}, {{ end }}on {{ $labels.root }}'
    rule = {"alert": "Mine", "expr": "up == 0", "annotations": {"description": annotation}}
    own = {"groups": [{"name": "mine", "rules": [rule]}]}
    file = tmp_path / "own.yml"
    file.write_text(f"---\n# A comment.\n{yaml.safe_dump(own)}")
    words = ("--set=rules.enabled=true", f"--set-file=rules.text={file}")
    assert of_kind("PrometheusRule", render(*words, client=client))["spec"] == own


def test_the_dashboards_are_the_projects_own_byte_for_byte() -> None:
    (found,) = [d for d in render(*ALL_ON) if d["metadata"]["name"].endswith("-dashboards")]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["data"] == {path.name: path.read_text() for path in DASHBOARDS}
    for text in found["data"].values():
        json.loads(text)
    assert len(json.dumps(found)) < 1 << 20, "a ConfigMap holds a mebibyte"


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


@clients
def test_the_chart_can_be_a_part_of_another(client: str, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts/hardlink-exporter").symlink_to(CHART)
    part = {"name": "hardlink-exporter", "version": VERSION}
    about = {"apiVersion": "v2", "name": "parent", "version": "1.0.0"}
    about["dependencies"] = [part | {"condition": "hardlink-exporter.enabled"}]  # type: ignore[assignment]
    (parent / "Chart.yaml").write_text(yaml.safe_dump(about))
    values = {"global": {"x": 1}, "hardlink-exporter": {"enabled": True, "port": 9999}}
    (parent / "values.yaml").write_text(yaml.safe_dump(values))
    documents = render(client=client, chart=parent)
    assert of_kind("Service", documents)["spec"]["ports"][0]["port"] == 9999
