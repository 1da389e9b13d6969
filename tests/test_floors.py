"""Imports go downwards only: the architecture of the house, enforced."""

from __future__ import annotations

import ast
from pathlib import Path

import exporter

PACKAGE = Path(exporter.__file__).parent

FLOORS = [
    {"model", "text"},
    {"tree", "headroom", "chains", "files", "memory"},
    {"kinds", "findings", "kin", "attempts", "orders", "routes", "documents"},
    {"view"},
    {"walk", "mounts", "tarsplit", "drivers.overlay", "drivers.overlay2"},
    {"limits", "images", "drivers", "planted", "config", "logs", "report", "samples"},
    {"roots", "catalogue", "table", "count", "watch", "difference"},
    {"metrics", "settle", "site", "records"},
    {"derive"},
    {"ledger"},
    {"live"},
    {"driven"},
    {"scan"},
    {"watched"},
    {"worker", "page", "growth"},
    {"keeper"},
    {"monitor", "web"},
    {"daemon"},
    {"commands", "commands.common"},
    {"commands.scan", "commands.serve", "commands.demo"},
    {"cli"},
    {"__main__"},
]
"""From the ground up. A module imports only from floors below its own."""

PURE = {
    "attempts",
    "model",
    "text",
    "tree",
    "kin",
    "headroom",
    "chains",
    "kinds",
    "findings",
    "routes",
    "view",
}
"""Modules that think; they know neither disk, nor network, nor time."""

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


def test_every_module_stands_on_one_floor() -> None:
    assert sorted(FILES.keys() - {"__init__"}) == sorted(m for floor in FLOORS for m in floor)


def test_modules_import_only_from_floors_below() -> None:
    height = {module: i for i, floor in enumerate(FLOORS) for module in floor}
    upwards = [
        (name, imported)
        for name, file in FILES.items()
        for imported in imports(file)
        if imported.startswith("exporter.")
        and height[imported.removeprefix("exporter.")] >= height[name]
    ]
    assert upwards == []


def test_thinking_knows_no_disk_no_network_and_no_time() -> None:
    known = {name: imports(FILES[name]) & EDGES for name in PURE if imports(FILES[name]) & EDGES}
    assert known == {"model": {"pathlib"}}, "model only names a path's type"


def test_no_module_is_longer_than_250_lines() -> None:
    lengths = {name: len(file.read_text().splitlines()) for name, file in FILES.items()}
    assert {name: n for name, n in lengths.items() if n > 250} == {}
