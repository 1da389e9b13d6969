"""Grafana's own SDK (of its 10.1) reads all that the dashboards say, and writes the same again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from dashboards import DASHBOARDS
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

OF_THE_DATA_SOURCE = {"titleFormat", "textFormat", "tagKeys", "step"}
"""Keys of an annotation that Grafana leaves to the data source, here Prometheus'."""

OF_THE_EDITOR = {"definition"}
"""A variable's query as the list of variables shows it."""


def not_understood(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """The places where something was lost or became something else."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from not_understood(value, theirs[key], f"{path}/{key}")
            elif key not in OF_THE_DATA_SOURCE | OF_THE_EDITOR:
                yield f"{path}/{key}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from not_understood(one, other, f"{path}/{i}")
    elif ours != theirs:
        yield path


def again(board: Any) -> Any:
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(board)))


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)
def test_grafana_understands_every_key(board: dict[str, Any]) -> None:
    assert list(not_understood(board, again(board))) == []


@pytest.mark.parametrize(
    "where", ["", "fieldConfig/defaults", "fieldConfig/defaults/custom", "options"]
)
def test_a_key_that_grafana_does_not_know_is_found(where: str) -> None:
    board = json.loads(json.dumps(DASHBOARDS["hardlink-host"]))
    (panel,) = [p for p in board["panels"] if p["title"] == "Layers left by what runs out"]
    at = panel
    for key in filter(None, where.split("/")):
        at = at[key]
    at["thickness"] = 1
    assert [path.rpartition("/")[2] for path in not_understood(board, again(board))] == [
        "thickness"
    ]
