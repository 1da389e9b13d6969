"""Looking at a root from a test."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from exporter.config import Config
from exporter.disk.drivers import DRIVERS
from exporter.disk.site import open_home
from exporter.looking.driven import LiveDriver
from exporter.looking.ledger import Ledger
from exporter.looking.live import Live
from exporter.looking.scan import LiveRoot, scan_root
from exporter.model import Reason, Reports, Root, RootReport
from exporter.telling.assessment import assess_all
from exporter.telling.report import to_json
from exporter.thinking.tree import Tree

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs the program as a user does, and gives what it said."""


def look(path: Path, limit: int | None = None) -> Reports:
    """Scan a root."""
    return scan_root(Root(str(path), path, links_limits={str(path): limit} if limit else {}))


def look_one(path: Path, limit: int | None = None) -> RootReport:
    """Scan a root of one driver."""
    (report,) = look(path, limit)
    return report


def as_json(report: RootReport) -> dict[str, Any]:
    """A report as a consumer of the JSON has it."""
    assessments = assess_all((report,), Config(), time.time())
    found: dict[str, Any] = json.loads(to_json(assessments))["roots"][0]
    return found


def image(report: RootReport, name: str) -> dict[str, Any]:
    """An image's row by its tag."""
    return next(row for row in as_json(report)["images"] if name in row["names"])


def whole(tree: Tree) -> bool:
    """Whether every name of a tree was seen."""
    return not tree.changed and not tree.problems


def names_of(root: LiveRoot) -> dict[str, dict[int, int]]:
    """How many names of each inode every image layer of a root has, by the layer's folder."""
    kinship = ledger_of(root).kinship
    return {
        id: {inode: kin.holders[id] for kin in held for inode in kin.members}
        for id, held in kinship.held.items()
    }


def costs_of(root: LiveRoot) -> dict[str, int | None]:
    """How many inodes one more layer on each image layer takes."""
    ledger = ledger_of(root)
    return {id: ledger.kept[id].figures.cost for id in ledger.kinship.held}


def ledger_of(root: LiveRoot) -> Ledger:
    """What is kept of a root of the overlay driver."""
    live = root.drivers["overlay"].live
    assert live is not None
    return live.ledger


def walked_names(path: Path) -> dict[str, dict[int, int]]:
    """What `names_of` gives, each layer of a root being walked."""
    root = LiveRoot(Root(str(path), path))
    live = Live(root.root)
    with open_home(DRIVERS[0], root.site) as home:
        live.look(home, lambda: None)
    root.drivers["overlay"] = LiveDriver(DRIVERS[0], live)
    return names_of(root)


def check_derived(path: Path) -> int:
    """See that what was told by differences equals a walk of each layer; give how many were walked."""
    root = LiveRoot(Root(str(path), path))
    (first,) = root.look(lambda _: None)
    told, walked = (names_of(root), costs_of(root)), ledger_of(root).walked.total()
    (anew,) = root.look(lambda _: None, anew=True)
    assert [image.tightest for image in first.images] == [image.tightest for image in anew.images]
    assert ledger_of(root).walked.total() == len(told[0])
    assert (names_of(root), costs_of(root)) == told
    assert [p for p in anew.problems if p.reason is Reason.DRIFT] == []
    return walked


def links_of(root: LiveRoot) -> dict[int, int]:
    """How many links each inode of the image layers is said to have."""
    kins = ledger_of(root).kinship.kins
    return {inode: kin.links_of(inode) for kin in kins for inode in kin.members}


def moved_of(root: LiveRoot) -> dict[str, tuple[str, Container[int]]]:
    """Each derived layer's source, and the inodes said to have other names in it than there."""
    kept = ledger_of(root).kept
    return {id: (one.source, one.moved) for id, one in kept.items() if one.source is not None}
