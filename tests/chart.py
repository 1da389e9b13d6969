"""The Helm chart for tests, rendered by real Helm; run as a program it renews the chart's schema.

`python tests/chart.py` writes the shape of `exporter.config.Config` into values.schema.json.
"""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import yaml
from needs import need_program

from exporter.config import Config

TOP: Final = Path(__file__).parent.parent
CHART: Final = TOP / "deploy/helm/hardlink-exporter"
SCHEMA: Final = CHART / "values.schema.json"

CLIENTS: Final = ("helm", "helm3")
"""The command line of Helm 4 and of Helm 3; `.ci/helm.py` puts both into a folder."""

MATRIX: Final = sorted((CHART / "ci").glob("*-values.yaml"))

VERSION: Final = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]

Document = dict[str, Any]


def helm(client: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a client; its exit code is for the caller to judge."""
    need_program(client)
    return subprocess.run(
        [client, *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )


def render(*words: str | Path, client: str = "helm", chart: Path = CHART) -> list[Document]:
    """The objects that `helm template` makes. Raises AssertionError with what it said."""
    done = helm(client, "template", "links", chart, "--namespace=watch", *words)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def refused(*words: str | Path, client: str = "helm") -> str:
    """What Helm says when it refuses these values. Raises AssertionError when it does not."""
    done = helm(client, "template", "links", CHART, *words)
    assert done.returncode == 1, done.stdout
    return done.stderr


def of_kind(kind: str, documents: list[Document]) -> Document:
    """The one object of a kind."""
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


def pod_of(documents: list[Document]) -> Document:
    """The specification of the pod that runs on each node."""
    pod: Document = of_kind("DaemonSet", documents)["spec"]["template"]["spec"]
    return pod


def config_schema() -> Document:
    """The JSON schema of the configuration, without what only people or pydantic want."""
    told = Config.model_json_schema()
    shape: Document = _plain(told, told.get("$defs", {}))
    return shape


def _plain(node: Any, defined: Document) -> Any:
    if isinstance(node, list):
        return [_plain(item, defined) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _plain(defined[node["$ref"].rpartition("/")[2]], defined)
    left_out = {"$defs", "title", "description", "default"}
    kept = {key: value for key, value in node.items() if key not in left_out}
    return {
        key: {name: _plain(inner, defined) for name, inner in value.items()}
        if key == "properties"
        else _plain(value, defined)
        for key, value in kept.items()
    }


def main() -> None:
    """Renew the part of the schema that says what `config` may hold."""
    schema = json.loads(SCHEMA.read_text())
    schema["properties"]["config"] = config_schema()
    SCHEMA.write_text(json.dumps(schema, indent=2) + "\n")


if __name__ == "__main__":
    main()
