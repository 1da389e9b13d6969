"""Looking at a root from a test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exporter.model import Reports, Root, RootReport
from exporter.report import to_json
from exporter.scan import scan_root
from exporter.tree import Tree

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs the program as a user does, and gives what it said."""


def look(path: Path, limit: int | None = None) -> Reports:
    """Scan a root."""
    return scan_root(Root(str(path), path, links_limit=limit))


def look_one(path: Path, limit: int | None = None) -> RootReport:
    """Scan a root of one driver."""
    (report,) = look(path, limit)
    return report


def as_json(report: RootReport) -> dict[str, Any]:
    """Give a report as a consumer of the JSON has it."""
    found: dict[str, Any] = json.loads(to_json((report,)))["roots"][0]
    return found


def image(report: RootReport, name: str) -> dict[str, Any]:
    """Give an image's row by its tag."""
    return next(row for row in as_json(report)["images"] if name in row["names"])


def whole(tree: Tree) -> bool:
    """Tell whether every name of a tree was seen."""
    return not tree.changed and not tree.problems
