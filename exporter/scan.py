"""One look at one root: from folders to frozen reports.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from exporter import findings as thinking
from exporter.count import Home
from exporter.drivers import DRIVERS, Driver
from exporter.kin import inodes_over
from exporter.limits import filesystem_of
from exporter.live import Live
from exporter.model import (
    FullPass,
    Problem,
    Reason,
    Reports,
    Resource,
    Root,
    RootReport,
    ScanFacts,
)
from exporter.mounts import covered_below, read_mounts
from exporter.roots import seen_path
from exporter.walk import Ground

Now = Callable[[], float]
Publish = Callable[[Reports], None]


def scan_root(root: Root, rootfs: Path = Path("/"), now: Now = time.time) -> Reports:
    """Look at one root once: a report for each driver in it, or a single one that says why not.

    `rootfs` is where this process sees the host's `/`; `now` gives the unix time.
    """
    return LiveRoot(root, rootfs, now).look(lambda _: None)


@dataclass(slots=True)
class LiveRoot:
    """One root, looked at again and again: what is known of it is kept between looks."""

    root: Root
    rootfs: Path = Path("/")
    now: Now = time.time
    drivers: dict[str, LiveDriver] = field(default_factory=dict)

    def look(self, publish: Publish, *, anew: bool = False) -> Reports:
        """Look at the root; a first answer, before all is counted, goes to `publish`.

        `anew`: count all of it again, and see that what was kept was right.
        """
        try:
            empty = not os.listdir(self.root.seen)
        except OSError as error:
            return self._nothing(f"the root cannot be read: {error.strerror}")
        found = [driver for driver in DRIVERS if self.holds(driver)]
        if not found:
            what = "the root is empty" if empty else "the root is not a Docker storage root"
            known = ", ".join(f"{driver.name}/" for driver in DRIVERS)
            return self._nothing(f"{what}: it has none of {known}")
        reports: dict[str, RootReport] = {}
        for driver in found:
            live = self.drivers.setdefault(driver.name, LiveDriver(driver))

            def first_answer(report: RootReport) -> None:
                publish((*reports.values(), report))

            reports[driver.name] = live.look(self, first_answer, anew=anew)
        self.drivers = {name: self.drivers[name] for name in reports}
        return tuple(reports.values())

    def seen(self, *names: str) -> Path:
        """Give the place where we see a folder of the root, its symlinks being the host's."""
        path = self.root.seen.joinpath(*names)
        if self.rootfs == Path("/"):
            return path
        return seen_path(f"/{os.path.relpath(path, self.rootfs)}", self.rootfs)

    def holds(self, driver: Driver) -> bool:
        """Whether this root holds a driver's layers.

        Podman's and CRI-O's stores have an `overlay/` too, but `overlay-layers/` beside it.
        """
        others = self.root.seen / f"{driver.name}-layers"
        return os.path.isdir(self.seen(driver.name)) and not os.path.isdir(others)

    def _nothing(self, what: str) -> Reports:
        self.drivers = {}
        return (_down(self.root, what, self.now),)


def _down(root: Root, what: str, now: Now, driver: str | None = None) -> RootReport:
    facts = ScanFacts(complete=False, coverage=0.0, looked=now())
    return RootReport(
        root.path, facts, driver=driver, problems=(Problem(root.path, what, Reason.ROOT),)
    )


@dataclass(slots=True)
class LiveDriver:
    """One driver of a root. `ground` is what its figures were counted on; another one begins anew."""

    driver: Driver
    live: Live | None = None
    ground: tuple[object, ...] = ()
    full: FullPass | None = None

    def look(
        self, root: LiveRoot, publish: Callable[[RootReport], None], *, anew: bool = False
    ) -> RootReport:
        """Look at the driver's folder, and report what is known afterwards."""
        started = time.monotonic()
        try:
            with _open_home(self.driver, root) as home:
                live = self._live_on(home, root)
                if anew and self.full is not None:
                    live = self._counted_anew(home, live, root)
                else:
                    live.look(home, lambda: publish(self._report(home, live, root)))
                if self.full is None:
                    entries = sum(kept.entries for kept in live.kept.values())
                    self.full = FullPass(time.monotonic() - started, entries, root.now())
                return self._report(home, live, root)
        except OSError as error:
            self.live = None
            what = f"{self.driver.name}/ cannot be read: {error.strerror}"
            return _down(root.root, what, root.now, self.driver.name)

    def _live_on(self, home: Home, root: LiveRoot) -> Live:
        """Give what is kept, or begin anew where the folder or its limit is another."""
        status = os.stat(home.fd)
        ground = (root.root, status.st_dev, status.st_ino, home.filesystem.fstype)
        if self.live is None or ground != self.ground:
            self.live, self.ground, self.full = Live(root.root, root.now), ground, None
        return self.live

    def _counted_anew(self, home: Home, kept: Live, root: LiveRoot) -> Live:
        """Count all layers again, apart from what is kept, which is published until then."""
        fresh = Live(root.root, root.now)
        fresh.look(home, lambda: None)
        fresh.drift = fresh.differences(kept, home)
        self.live, self.full = fresh, None
        return fresh

    def _report(self, home: Home, live: Live, root: LiveRoot) -> RootReport:
        """Put all that is known into one frozen report."""
        found = thinking.findings(
            live.lineage,
            live.kinds,
            live.figures(home),
            _terms(home),
            thinking.Words(home.where, partial(live.path_of, home)),
        )
        counts = live.link_counts()
        lost = [p for kept in live.kept.values() for p in kept.figures.problems]
        complete = found.coverage == 1.0 and not lost and live.kept.keys() == live.folders.keys()
        links_max = max(counts, default=None)
        return RootReport(
            root=root.root.path,
            driver=self.driver.name,
            up=True,
            fstype=home.filesystem.fstype,
            limit=home.filesystem.limit,
            links_max=links_max,
            inodes_over=inodes_over(counts) if complete else None,
            layers=found.layers,
            depth_max=found.depth_max,
            layers_left=found.layers_left,
            tightest=found.tightest,
            tightest_images=found.tightest_images,
            images=found.images,
            problems=thinking.bounded(
                [
                    *live.problems,
                    *live.drift,
                    *lost,
                    *found.problems,
                    *_limit_problems(home, root, links_max),
                ]
            ),
            scan=ScanFacts(
                complete,
                found.coverage,
                root.now(),
                self.full,
            ),
        )


@contextmanager
def _open_home(driver: Driver, root: LiveRoot) -> Iterator[Home]:
    """Open a driver's folder for one look: kept open, it would hold up an unmount."""
    seen = root.seen(driver.name)
    fd = os.open(seen, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mounts = read_mounts()
        filesystem = filesystem_of(fd, mounts, root.rootfs).overridden(root.root.links_limit)
        ground = Ground(os.stat(fd).st_dev, filesystem.inode_in_entry, covered_below(seen, mounts))
        where = f"{root.root.path}/{driver.name}"
        yield Home(driver, fd, root.seen("image", driver.name), where, filesystem, ground)
    finally:
        os.close(fd)


def _terms(home: Home) -> thinking.Terms:
    """Tell what can run out here. A filesystem that makes inodes as it goes counts none (btrfs)."""
    space = os.fstatvfs(home.fd)
    can_run_out = set[Resource]()
    if home.driver.shares_links and home.filesystem.limit.bounded:
        can_run_out.add(Resource.LINKS)
    if home.driver.costs_a_tree and space.f_files:
        can_run_out.add(Resource.INODES)
    return thinking.Terms(frozenset(can_run_out), space.f_ffree)


def _limit_problems(home: Home, root: LiveRoot, links: int | None) -> list[Problem]:
    limit, where = home.filesystem.limit, root.root.path
    if not home.driver.shares_links:
        return []
    if limit.value is None and limit.bounded:
        what = f"{home.filesystem.reason}; set it under links_limits in the configuration"
        return [Problem(where, what, Reason.LIMIT_UNKNOWN)]
    if limit.source == "config" and limit.value is not None and (links or 0) > limit.value:
        what = (
            f"the configured links limit of {limit.value} is below the {links} links that"
            " a file has today; correct it under links_limits in the configuration"
        )
        return [Problem(where, what, Reason.LIMIT_EXCEEDED)]
    return []
