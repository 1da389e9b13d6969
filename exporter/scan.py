"""One pass over one root: from folders to frozen reports.

A folder `overlay/` says that the driver is overlay. The driver tells what lies in each of
its folders; layerdb tells which of them are image layers, and who stands on whom. Each tree
is walked; a regular file met for the first time is asked for its links, each further name of
it is only counted. `(limit - links) // names`, the least over the tree's inodes, is how many
more layers fit on that layer; an image has the figure of its top layer, a root the least of
all its image layers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporter import findings as thinking
from exporter.count import FolderCounter
from exporter.drivers import DRIVERS, Driver, folders
from exporter.findings import LayerFigures
from exporter.images import read_lineage
from exporter.kinds import References, kind_of
from exporter.limits import filesystem_of
from exporter.model import (
    Folder,
    Kind,
    Lineage,
    Problem,
    Reason,
    Reports,
    Resource,
    Root,
    RootReport,
    ScanFacts,
)
from exporter.mounts import covered_below, read_mounts
from exporter.walk import Ground

ATTEMPTS: Final = 3
"""How often what changes under our eyes is looked at before that is a problem."""

SETTLE_SECONDS: Final = 0.05
"""Pause before the engine's records are read again: longer than the steps of one removal."""

Now = Callable[[], float]


def scan_root(root: Root, rootfs: Path = Path("/"), now: Now = time.time) -> Reports:
    """Look at one root: a report for each driver in it, or a single one that says why not.

    `rootfs` is where this process sees the host's `/`; `now` gives the unix time.
    """
    try:
        with os.scandir(root.seen) as entries:
            names = {e.name for e in entries if e.is_dir()}
    except OSError as error:
        return (_down(root, f"the root cannot be read: {error.strerror}", now),)
    found = [driver for driver in DRIVERS if _is_of(driver, names)]
    if not found:
        what = "the root is empty" if not names else "the root is not a Docker storage root"
        known = ", ".join(f"{driver.name}/" for driver in DRIVERS)
        return (_down(root, f"{what}: it has none of {known}", now),)
    return tuple(_scan_driver(root, driver, rootfs, now) for driver in found)


def _is_of(driver: Driver, names: set[str]) -> bool:
    """Whether a root with these folders holds this driver's layers.

    Podman's and CRI-O's stores have an `overlay/` too, but `overlay-layers/` beside it.
    """
    return driver.name in names and f"{driver.name}-layers" not in names


def _down(root: Root, what: str, now: Now, driver: str | None = None) -> RootReport:
    facts = ScanFacts(complete=False, coverage=0.0, seconds=0.0, entries=0, finished=now())
    return RootReport(
        root.path, facts, driver=driver, problems=(Problem(root.path, what, Reason.ROOT),)
    )


def _scan_driver(root: Root, driver: Driver, rootfs: Path, now: Now) -> RootReport:
    started = time.monotonic()
    try:
        home = os.open(root.seen / driver.name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return _down(root, f"{driver.name}/ cannot be read: {error.strerror}", now, driver.name)
    try:
        mounts = read_mounts()
        filesystem = filesystem_of(home, mounts, rootfs).overridden(root.links_limit)
        ground = Ground(
            os.stat(home).st_dev,
            filesystem.inode_in_entry,
            covered_below(root.seen / driver.name, mounts),
        )
        where = f"{root.path}/{driver.name}"
        one_pass = _Pass(root, FolderCounter(driver, home, where, filesystem, ground), now)
        one_pass.run()
        return one_pass.report(time.monotonic() - started)
    except OSError as error:
        return _down(root, f"{driver.name}/ cannot be read: {error.strerror}", now, driver.name)
    finally:
        os.close(home)


@dataclass(slots=True)
class _Pass:
    """One pass over one driver's folders: what was read, counted and found wrong so far."""

    root: Root
    counter: FolderCounter
    now: Now
    lineage: Lineage = field(default_factory=Lineage)
    folders: list[Folder] = field(default_factory=list)
    kinds: dict[str, Kind] = field(default_factory=dict)
    counted: dict[str, LayerFigures] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def run(self) -> None:
        """Count every layer. What vanishes meanwhile is looked up anew, not reported as broken."""
        self._look()
        for _ in range(ATTEMPTS):
            todo = [f for f in self.folders if self._is_due(f)]
            self.counted |= {f.id: self.counter.count(f) for f in todo}
            if not any(self._is_due(f) for f in todo):
                return
            self._look()

    def _look(self) -> None:
        """Read the engine's records and list the driver's folders.

        The engine writes on meanwhile, so what does not fit together is read again: a layer
        removed between two readings is no trouble, one that stays broken is.
        """
        image = f"image/{self.counter.driver.name}"
        for attempt in range(ATTEMPTS):
            time.sleep(SETTLE_SECONDS if attempt else 0)
            self.lineage = read_lineage(self.root.seen / image, f"{self.root.path}/{image}")
            self.folders, problems = folders(
                self.counter.driver, self.counter.home, self.counter.where
            )
            self.problems = [*self.lineage.problems, *problems]
            present = {folder.id for folder in self.folders if folder.trees}
            missing = any(r.cache_id not in present for r in self.lineage.layers.values())
            if not self.lineage.problems and not missing:
                break
        references = References.of(self.lineage)
        now = self.now()
        self.kinds = {f.id: kind_of(f, references, now) for f in self.folders}

    def _is_due(self, folder: Folder) -> bool:
        """Whether a folder is still to be counted: not yet, or an image layer that changed."""
        known = self.counted.get(folder.id)
        if known is None or known.folder.trees != folder.trees:
            return True
        return known.changed and self.kinds[folder.id] is Kind.IMAGE

    def report(self, seconds: float) -> RootReport:
        """Put all of it into one frozen report."""
        found = thinking.findings(
            self.lineage,
            self.kinds,
            self.counted,
            self._terms(),
            self.counter.where,
        )
        lost = [p for f in self.folders if (c := self.counted.get(f.id)) for p in c.problems]
        complete = found.coverage == 1.0 and not lost
        return RootReport(
            root=self.root.path,
            driver=self.counter.driver.name,
            up=True,
            fstype=self.counter.filesystem.fstype,
            limit=self.counter.filesystem.limit,
            links_max=self.counter.ledger.links_max,
            inodes_over=self.counter.ledger.inodes_over() if complete else None,
            layers=found.layers,
            depth_max=found.depth_max,
            layers_left=found.layers_left,
            tightest=found.tightest,
            tightest_images=found.tightest_images,
            images=found.images,
            problems=thinking.bounded(
                [*self.problems, *lost, *found.problems, *self._limit_problems()]
            ),
            scan=ScanFacts(
                complete,
                found.coverage,
                seconds,
                sum(c.entries for c in self.counted.values()),
                self.now(),
            ),
        )

    def _terms(self) -> thinking.Terms:
        """Tell what can run out here. A filesystem that makes inodes as it goes counts none (btrfs)."""
        space = os.fstatvfs(self.counter.home)
        can_run_out = set[Resource]()
        if self.counter.driver.shares_links and self.counter.filesystem.limit.bounded:
            can_run_out.add(Resource.LINKS)
        if self.counter.driver.costs_a_tree and space.f_files:
            can_run_out.add(Resource.INODES)
        return thinking.Terms(frozenset(can_run_out), space.f_ffree)

    def _limit_problems(self) -> list[Problem]:
        limit, links = self.counter.filesystem.limit, self.counter.ledger.links_max
        if not self.counter.driver.shares_links:
            return []
        if limit.value is None and limit.bounded:
            what = (
                f"{self.counter.filesystem.reason}; set it under links_limits in the configuration"
            )
            return [Problem(self.root.path, what, Reason.LIMIT_UNKNOWN)]
        if limit.source == "config" and limit.value is not None and (links or 0) > limit.value:
            what = (
                f"the configured links limit of {limit.value} is below the {links} links that"
                " a file has today; correct it under links_limits in the configuration"
            )
            return [Problem(self.root.path, what, Reason.LIMIT_EXCEEDED)]
        return []
