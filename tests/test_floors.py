"""Imports go downwards only: the architecture of the house, enforced."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import exporter

PACKAGE = Path(exporter.__file__).parent

FLOORS = [
    {"model", "text", "errors", "durations", "processes"},
    {"thinking"},
    {"disk"},
    {"looking"},
    {"alerting", "yamlfile"},
    {"config", "logs"},
    {"telling"},
    {"rules"},
    {"web", "demo"},
    {"daemon", "oneshot"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
"""From the ground up. A module imports from its own folder or from floors below."""

EDGES = {"asyncio", "hypercorn", "pathlib", "socket", "subprocess", "threading", "time"}


def name_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(p for p in parts if p != "__init__") or "__init__"


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {b for b in below if (PACKAGE.parent / f"{b.replace('.', '/')}.py").exists()}
            found |= modules or {node.module}
    return found


FILES = {name_of(f): f for f in PACKAGE.rglob("*.py")}
OURS = {
    name: {i.removeprefix("exporter.") for i in imports(file) if i.startswith("exporter.")}
    for name, file in FILES.items()
}
"""What each module imports of our own."""


def folder(module: str) -> str:
    return module.partition(".")[0]


def test_every_folder_stands_on_one_floor() -> None:
    folders = {folder(name) for name in FILES} - {"__init__"}
    assert sorted(folders) == sorted(name for floor in FLOORS for name in floor)


def test_modules_import_only_from_their_own_folder_or_from_floors_below() -> None:
    height = {name: i for i, floor in enumerate(FLOORS) for name in floor}
    upwards = [
        (name, imported)
        for name, all_imported in OURS.items()
        for imported in all_imported
        if folder(imported) != folder(name) and height[folder(imported)] >= height[folder(name)]
    ]
    assert upwards == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter(OURS).prepare()


def test_thinking_knows_no_disk_no_network_and_no_time() -> None:
    pure = [name for name in FILES if folder(name) in ("model", "text", "durations", "thinking")]
    known = {name: imports(FILES[name]) & EDGES for name in pure if imports(FILES[name]) & EDGES}
    paths = {"pathlib"}
    assert known == {"model": paths, "thinking.orders": paths}, "these only name a path's type"


def test_what_is_told_is_made_of_reports_alone() -> None:
    told = {name for name in FILES if folder(name) in ("telling", "web")}
    reaching = {name: {i for i in OURS[name] if folder(i) in ("disk", "looking")} for name in told}
    assert {name: found for name, found in reaching.items() if found} == {}


@pytest.mark.parametrize("process", ["daemon.worker", "oneshot.child, exporter.oneshot.work"])
def test_a_process_that_looks_at_a_root_imports_nothing_of_the_web_stack(process: str) -> None:
    words = f"import exporter.{process}, sys; print(*sys.modules, sep='\\n')"
    loaded = subprocess.check_output([sys.executable, "-c", words], text=True).split()
    stack = {"asyncio", "hypercorn", "prometheus_client", "click", "pydantic", "rich", "ssl"}
    assert stack & set(loaded) == set()


def test_no_module_is_longer_than_250_lines() -> None:
    lengths = {name: len(file.read_text().splitlines()) for name, file in FILES.items()}
    assert {name: n for name, n in lengths.items() if n > 250} == {}
