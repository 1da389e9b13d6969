"""The chart's values: each is documented, each has a schema, and what cannot be right is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart import CHART, CLIENTS, SCHEMA, TOP, config_schema, helm, of_kind, pod_of, refused, render

pytestmark = pytest.mark.tools

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
README = (CHART / "README.md").read_text()

clients = pytest.mark.parametrize("client", CLIENTS)


def leaves(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def test_the_readme_tells_every_value_with_its_default() -> None:
    told = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", README, re.MULTILINE))
    assert {key: json.loads(default) for key, default in told.items()} == dict(leaves(VALUES))


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", README):
        assert (CHART / target).exists(), target


def test_the_schema_knows_every_value_and_no_section_is_open() -> None:
    def closed(schema: dict[str, Any], values: dict[str, Any], where: str) -> None:
        assert schema["additionalProperties"] is False, where
        assert schema["properties"].keys() >= values.keys(), where
        for key, inner in schema["properties"].items():
            if inner.get("properties"):
                closed(inner, values.get(key, {}), f"{where}.{key}")

    closed(json.loads(SCHEMA.read_text()), VALUES, "values")


def test_the_schema_of_config_is_that_of_the_program() -> None:
    schema = json.loads(SCHEMA.read_text())["properties"]["config"]
    assert schema == config_schema(), "python tests/chart.py renews it"


BAD = [
    ("prot=9999", "prot"),
    ("port=0", "/port"),
    ("port=http", "/port"),
    ("image.tag=a b", "/image/tag"),
    ("image.tag=1", "/image/tag"),
    ("image.digest=sha256:12", "/image/digest"),
    ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
    ("config.scan.intervall=5", "intervall"),
    ("config.metrics.images=lots", "/config/metrics/images"),
    ("config.scan.interval=0.01", "/config/scan/interval"),
    ("log.level=loud", "/log/level"),
    ("web.scheme=ftp", "/web/scheme"),
    ("web.password=secret", "password"),
    ("monitor.kind=Probe", "/monitor/kind"),
    ("monitor.sampleLimit=0", "/monitor/sampleLimit"),
    ("monitor.interval=often", "/monitor/interval"),
    ("monitor.basicAuth.password=secret", "/monitor/basicAuth/password"),
    ("hostPaths[0]=var/lib/docker", "/hostPaths/0"),
    ("seccompProfile=/profiles/mine.json", "/seccompProfile"),
    ("mountPropagation=Bidirectional", "/mountPropagation"),
    ("securityContext.privileged=true", "securityContext"),
    ("resources.limits.memory=lots", "/resources/limits/memory"),
    ("updateStrategy.rollingUpdate.maxUnavailable=half", "maxUnavailable"),
    ("fullnameOverride=Docker_Links", "/fullnameOverride"),
    ("networkPolicy.from[0].cidr=10.0.0.0/8", "cidr"),
]


@pytest.mark.parametrize(("bad", "place"), BAD, ids=[bad for bad, _ in BAD])
def test_what_cannot_be_right_is_refused_at_its_place(bad: str, place: str) -> None:
    said = refused("--set", bad)
    assert "values don't meet the specifications of the schema" in said
    assert place in said


def test_helm_3_refuses_the_same() -> None:
    said = refused(*(f"--set={bad}" for bad, _ in BAD), client="helm3")
    assert "values don't meet the specifications of the schema" in said
    for _, place in BAD:
        # Helm 4 writes /web/scheme where Helm 3 writes web.scheme.
        assert place.strip("/").replace("/", ".") in said


TOGETHER = [
    (
        ("web.scheme=https",),
        "web.scheme https and web.probes connect are for a web configuration",
    ),
    (("web.probes=connect",), "name its Secret in web.configSecret"),
    (("extraArgs[0]=--path.rootfs=/",), "extraArgs: --path.rootfs=/ is set by the chart"),
    (
        ("monitor.enabled=true", "monitor.kind=ServiceMonitor", "service.enabled=false"),
        "monitor.kind ServiceMonitor finds its targets through the Service",
    ),
    (
        ("monitor.enabled=true", "web.scheme=https", "web.configSecret=s"),
        "monitor.tlsConfig is empty, but web.scheme is https",
    ),
    (
        ("monitor.enabled=true", "config.metrics.images=500"),
        "monitor.sampleLimit: config.roots and config.metrics.images give up to 1080 samples",
    ),
    (("rules.enabled=true", "rules.text=groups"), "rules.text: it should be"),
    (("rules.enabled=true", "rules.text=groups: {}"), "rules.text: it should be"),
]


@clients
@pytest.mark.parametrize(("values", "sentence"), TOGETHER, ids=[t[0][0] for t in TOGETHER])
def test_values_that_do_not_go_together_are_refused_in_one_sentence(
    client: str, values: tuple[str, ...], sentence: str
) -> None:
    words = [word for value in values for word in ("--set", value)]
    assert sentence in refused(*words, client=client)


def test_the_commands_and_the_values_of_the_readme_render(tmp_path: Path) -> None:
    blocks = re.findall(r"```(sh|yaml)\n(.*?)```", README, re.DOTALL)
    (tmp_path / "my-rules.yml").write_text((TOP / "deploy/prometheus/rules.yml").read_text())
    tried = 0
    for language, text in blocks:
        lines = text.replace("\\\n", "").splitlines() if language == "sh" else []
        for line in [line for line in lines if line.startswith("helm ")]:
            given = re.findall(r"(--set|--set-file) (\S+)", line)
            words = [f"{flag}={value.replace('my-', f'{tmp_path}/my-')}" for flag, value in given]
            assert str(CHART.relative_to(TOP)) in line
            assert render(*words)
            tried += 1
        if language == "yaml":
            (tmp_path / "values.yml").write_text(text)
            assert of_kind("PodMonitor", render("-f", tmp_path / "values.yml"))
            tried += 1
    assert tried == 4


def test_a_changed_configuration_makes_new_pods_and_nothing_else_does() -> None:
    def mark(*words: str) -> str:
        made = of_kind("DaemonSet", render(*words))["spec"]["template"]["metadata"]
        checksum: str = made["annotations"]["checksum/config"]
        return checksum

    assert mark("--set", "config.scan.interval=10") != mark("--set", "config.scan.interval=11")
    assert mark() == mark("--set", "monitor.enabled=true,service.enabled=false")


def test_a_great_number_stays_a_whole_one() -> None:
    documents = render("--set", "config.links_limits./srv/docker=2147483647")
    (config,) = [d for d in documents if d["kind"] == "ConfigMap"]
    assert yaml.safe_load(config["data"]["config.yml"]) == {
        "links_limits": {"/srv/docker": 2147483647}
    }


def test_names_that_look_like_numbers_stay_names() -> None:
    done = helm("helm", "template", "12e3", CHART, "--namespace=2024", "--set", "nameOverride=x")
    for document in yaml.safe_load_all(done.stdout):
        assert document["metadata"]["namespace"] == "2024"
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "12e3"


def test_a_digest_decides_in_place_of_the_tag() -> None:
    digest = f"sha256:{'0' * 64}"
    words = ("--set", f"image.tag=x,image.digest={digest}")
    assert pod_of(render(*words))["containers"][0]["image"] == f"hardlink-exporter@{digest}"
