"""The figures of a root, counted in the most stupid way: os.walk, os.lstat, every name, every time.

It shares no code with the program, so that both cannot be wrong alike.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LIMIT_DEPTH = 125


def tree_facts(tree: Path) -> tuple[dict[int, list[bytes]], dict[int, int], int]:
    """The names of each regular inode, its links, and the count of everything else."""
    names: dict[int, list[bytes]] = defaultdict(list)
    links: dict[int, int] = {}
    others = 1
    top = os.fsencode(tree)
    for folder, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                names[status.st_ino].append(path[len(top) :])
                links[status.st_ino] = status.st_nlink
            else:
                others += 1
    return names, links, others


def layers_left(tree: Path, limit: int) -> int | None:
    names, links, _ = tree_facts(tree)
    return min((max(0, limit - links[i]) // len(names[i]) for i in names), default=None)


def copy_steps_left(free: int, tree: int) -> int:
    """Count COPY steps where names take no inode: each keeps the tree and 12, and needs 24 at its peak."""
    return 0 if free < tree + 24 else 1 + (free - tree - 24) // (tree + 12)


def chain_of(diffs: list[str]) -> list[str]:
    chains: list[str] = []
    for diff in diffs:
        if chains:
            text = f"{chains[-1]} {diff}".encode()
            chains.append("sha256:" + hashlib.sha256(text).hexdigest())
        else:
            chains.append(diff)
    return chains


def figures(root: Path, limit: int, free: int) -> dict[str, Any]:
    """A root's figures in the report's own words; `free` is the filesystem's free inodes."""
    layerdb = root / "image/overlay/layerdb/sha256"
    cache = {
        "sha256:" + d.name: (d / "cache-id").read_text()
        for d in layerdb.iterdir()
        if len(d.name) == 64
    }
    parent = {
        chain: p.read_text() if (p := layerdb / chain[7:] / "parent").exists() else None
        for chain in cache
    }
    links: dict[int, int] = {}
    for folder in (root / "overlay").iterdir():
        for below in folder.iterdir():
            if below.name in ("root", "upper") or below.name.startswith("tmproot"):
                links |= tree_facts(below)[1]
    by_links: dict[str, int | None] = {}
    by_inodes: dict[str, int] = {}
    if not (root / "image/overlay/layerdb/mounts").exists():
        free -= 1  # the first build makes it
    for chain, folder_name in cache.items():
        tree = root / "overlay" / folder_name / "root"
        if tree.exists():
            by_links[chain] = layers_left(tree, limit)
            by_inodes[chain] = copy_steps_left(free, tree_facts(tree)[2])
    return {
        "links_max": max(links.values(), default=None),
        "inodes": {
            str(n): sum(x > n for x in links.values()) for n in (1, 10, 100, 1000, 10000, 50000)
        },
        "depth_max": max((depth(c, parent) for c in cache), default=0),
        "links": least(by_links.values()),
        "by_inodes": min(by_inodes.values(), default=None),
        "images": images(root, by_links, by_inodes),
    }


def depth(chain: str, parent: dict[str, str | None]) -> int:
    below = parent[chain]
    return 1 if below is None else 1 + depth(below, parent)


def least(values: Iterable[int | None]) -> int | None:
    return min((v for v in values if v is not None), default=None)


def images(
    root: Path, by_links: dict[str, int | None], by_inodes: dict[str, int]
) -> dict[str, dict[str, Any]]:
    home = root / "image/overlay"
    tags: dict[str, list[str]] = defaultdict(list)
    for repository in json.loads((home / "repositories.json").read_text())["Repositories"].values():
        for tag, image in repository.items():
            tags[image].append(tag)
    stepped_over = {p.read_text() for p in (home / "imagedb/metadata/sha256").glob("*/parent")}
    rows = {}
    for file in (home / "imagedb/content/sha256").iterdir():
        image = "sha256:" + file.name
        if image in stepped_over and image not in tags:
            continue
        chain = chain_of(json.loads(file.read_text())["rootfs"]["diff_ids"] or [])
        rows[image] = {
            "names": sorted(tags[image]),
            "depth": len(chain),
            "top": chain[-1] if chain else None,
            "links": by_links.get(chain[-1]) if chain else None,
            "inodes": by_inodes.get(chain[-1]) if chain else None,
            "chain": least(by_links.get(c) for c in chain),
        }
    return rows
