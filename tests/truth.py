"""What must hold of every report: it is true, or it says that it is not the whole truth.

The truth is what `oracle` counts by brute force.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from stat import S_ISREG
from typing import Any

import oracle
from clocks import EXT4, Clocks, live_on
from looking import as_json

from exporter.demo.planted import PlantedRoot
from exporter.looking.scan import LiveRoot
from exporter.model import RootReport

WAITS = (0, 0, 1, 2, 4, 8, 15, 30)
"""Seconds between the scans in which what changed without a sign is to be seen: 60 in all."""

SLOW = ("links_max", "inodes")
"""Figures of files that are no image layer's: they may be as old as the last count of their folder."""

Figures = dict[str, Any]


def scan(live: LiveRoot, *, anew: bool = False) -> RootReport:
    """Scan a root of one driver."""
    (report,) = live.look(lambda _: None, anew=anew)
    return report


def true_figures(root: PlantedRoot, limit: int = EXT4) -> Figures:
    """Count by brute force what a report tells; free inodes, which move, are left out."""
    found = oracle.figures(root.path, limit, 0)
    images = {
        id: {key: row[key] for key in ("names", "depth", "links", "chain")}
        | {"tightest": _tightest(_tree(root, row["top"]), limit)}
        for id, row in found["images"].items()
    }
    return {
        "links_max": found["links_max"],
        "inodes": found["inodes"],
        "depth_max": found["depth_max"],
        "layers": _kinds(root),
        "links": found["links"],
        "images": images,
    }


def told_figures(report: RootReport) -> Figures:
    """The same of a report."""
    told = as_json(report)
    layers = told["layers"]
    return {
        "links_max": told["links_max"],
        "inodes": told["inodes"],
        "depth_max": told["depth_max"],
        "layers": {
            "image": layers["image"],
            "container": layers["container"],
            "buildkit": layers["buildkit"],
            "other": layers["partial"] + layers["orphan"],
        },
        "links": told["layers_left"].get("links"),
        "images": {
            row["id"]: {
                "names": sorted(row["names"]),
                "depth": row["depth"],
                "links": row["layers_left"].get("links"),
                "chain": (row["chain_layers_left"] or {}).get("links"),
                "tightest": row["tightest"]
                and tuple(row["tightest"][key] for key in ("inode", "links", "names", "path")),
            }
            for row in told["images"]
        },
    }


def untrue(report: RootReport, truth: Figures, slow: Collection[str] = ()) -> Figures:
    """Which figures a report claims and should not, each with the true one.

    A report that covers all and tells of no problem claims all its figures. Another one claims
    that no more layers are left than it says, and that some file has as many links. `slow` are
    figures that are excused: what they come from changed without a sign just now.
    """
    if not report.up:
        return {}
    told = told_figures(report)
    if report.scan.coverage == 1.0 and not report.problems:
        wrong = _differing(told, truth)
        if not report.scan.complete:
            wrong.pop("inodes", None)
        return {k: v for k, v in wrong.items() if k not in slow}
    wrong = {}
    if "links_max" not in slow and (told["links_max"] or 0) > (truth["links_max"] or 0):
        wrong["links_max"] = told["links_max"], truth["links_max"]
    if _is_less(told["links"], truth["links"]):
        wrong["links"] = told["links"], truth["links"]
    for id, row in told["images"].items():
        true = truth["images"].get(id, {})
        if any(_is_less(row[key], true.get(key)) for key in ("links", "chain")):
            wrong[id] = row, true
    return wrong


def unlike(kept: RootReport, clocks: Clocks, root: PlantedRoot, limit: int = EXT4) -> Figures:
    """What is not covered or not true, and which problems a fresh scan by the same clocks has not."""
    if not (kept.up and kept.scan.coverage == 1.0 and kept.scan.complete):
        return {"scan": (kept.scan, kept.problems)}
    if kept.problems:
        fresh = scan(live_on(root, clocks, limit=limit))
        told, found = ({(p.where, p.what) for p in r.problems} for r in (kept, fresh))
        if told != found:
            return {"problems": (told, found)}
    return _differing(told_figures(kept), true_figures(root, limit))


def becomes_true(
    live: LiveRoot,
    clocks: Clocks,
    root: PlantedRoot,
    limit: int = EXT4,
    slow: Collection[str] = (),
) -> RootReport:
    """See the truth be told within a minute, and nothing untrue before."""
    truth = true_figures(root, limit)
    for seconds in WAITS:
        clocks.wait(seconds)
        report = scan(live)
        false = untrue(report, truth, slow)
        assert not false, f"(told, true): {false}"
        if not (wrong := unlike(report, clocks, root, limit)):
            return report
    raise AssertionError(f"after a minute it is still (told, true): {wrong}")


def _differing(told: Figures, truth: Figures) -> Figures:
    return {k: (told[k], truth[k]) for k in truth if told[k] != truth[k]}


def _is_less(told: int | None, true: int | None) -> bool:
    return told is not None and true is not None and told < true


def _tree(root: PlantedRoot, chain: str | None) -> Path | None:
    if chain is None or not (root.image_home / "layerdb/sha256" / chain[7:]).exists():
        return None
    return root.home / root.cache_id(chain) / "root"


def _tightest(tree: Path | None, limit: int) -> tuple[int, int, int, str] | None:
    """Find a tree's tightest file: its inode, links, names and smallest name."""
    if tree is None or not tree.exists():
        return None
    names, links, _ = oracle.tree_facts(tree)
    best = min(
        names,
        key=lambda i: (
            max(0, limit - links[i]) // len(names[i]),
            -links[i],
            -len(names[i]),
            i,
        ),
        default=None,
    )
    if best is None:
        return None
    return best, links[best], len(names[best]), os.fsdecode(min(names[best]))


def _kinds(root: PlantedRoot) -> dict[str, int]:
    """Count folders by what they are, but that orphans are not told from what is being made."""
    layers = {
        p.read_text() for p in root.image_home.glob("layerdb/sha256/*/cache-id") if _is_layer(p)
    }
    mounts = {p.read_text() for p in root.image_home.glob("layerdb/mounts/*/*-id")}
    kinds = Counter(
        "image"
        if folder.name in layers
        else "container"
        if folder.name in mounts
        else "buildkit"
        if re.fullmatch("[0-9a-z]{25}", folder.name)
        else "other"
        for folder in root.home.iterdir()
    )
    return {kind: kinds[kind] for kind in ("image", "container", "buildkit", "other")}


def _is_layer(cache_id: Path) -> bool:
    return len(cache_id.parent.name) == 64


def files_of(tree: Path) -> list[Path]:
    """The regular files of a tree."""
    return [p for p in sorted(tree.rglob("*")) if S_ISREG(p.lstat().st_mode)]
