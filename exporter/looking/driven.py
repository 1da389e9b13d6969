"""One driver of one root: what is kept of it between looks, and the report of it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from exporter.disk.count import Home
from exporter.disk.drivers import Driver
from exporter.disk.mounts import MountTableError
from exporter.disk.site import Site, open_home
from exporter.looking.derive import Differences
from exporter.looking.live import Live
from exporter.looking.paths import path_of
from exporter.looking.records import ATTEMPTS, Clocks
from exporter.model import (
    FullPass,
    Problem,
    Reason,
    Resource,
    Root,
    RootReport,
    ScanFacts,
)
from exporter.thinking import findings as thinking
from exporter.thinking.kin import inodes_over


def down(root: Root, what: str, now: Callable[[], float], driver: str | None = None) -> RootReport:
    """The report of a root, or of one driver of it, that gave nothing."""
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
        self, site: Site, publish: Callable[[RootReport], None], *, anew: bool = False
    ) -> RootReport:
        """Look at the driver's folder, and report what is known afterwards."""
        started = time.monotonic()
        try:
            with open_home(self.driver, site) as home:
                live = self._live_on(home, site)
                if anew and self.full is not None:
                    live = self._counted_anew(home, live, site, publish)
                else:
                    live.look(
                        home,
                        lambda: publish(self._report(home, live, site)),
                        site.woken,
                        site.counted,
                    )
                if self.full is None:
                    entries = sum(kept.entries for kept in live.ledger.kept.values())
                    self.full = FullPass(time.monotonic() - started, entries, site.now())
                return self._report(home, live, site)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                self.live = None
            what = f"{self.driver.name}/ cannot be read: {error.strerror}"
            return down(site.root, what, site.now, self.driver.name)
        except MountTableError as error:
            return down(site.root, str(error), site.now, self.driver.name)

    def _live_on(self, home: Home, site: Site) -> Live:
        """What is kept, or begin anew where the folder or its limit is another."""
        status = os.stat(home.fd)
        ground = (site.root, status.st_dev, status.st_ino, home.filesystem.fstype)
        if self.live is None or ground != self.ground:
            self.live, self.ground, self.full = (
                Live(site.root, Clocks(site.now, site.monotonic), Differences()),
                ground,
                None,
            )
        return self.live

    def _counted_anew(
        self, home: Home, kept: Live, site: Site, publish: Callable[[RootReport], None]
    ) -> Live:
        """Count all layers again, apart from what is kept, which stays current until then."""

        def keep_up(_done: int, _of: int) -> None:
            if site.woken():
                kept.look(home, lambda: None)
                publish(self._report(home, kept, site))

        fresh = Live(site.root, kept.clocks)  # every layer is walked, whatever it was told from
        fresh.look(home, lambda: None, counted=keep_up)
        fresh.drift = _drift(home, kept, fresh)
        fresh.differences = kept.differences  # the records are the same ones
        self.live, self.full = fresh, None
        return fresh

    def _report(self, home: Home, live: Live, site: Site) -> RootReport:
        """Put all that is known into one frozen report."""
        figures = live.ledger.figures(home)
        doubted = live.doubts.layers & figures.keys()
        found = thinking.findings(
            live.records.lineage,
            live.records.kinds,
            {**figures, **{id: replace(figures[id], doubted=True) for id in doubted}},
            _terms(home),
            thinking.Words(home.where, partial(path_of, live.ledger, home)),
        )
        counts = live.ledger.link_counts()
        lost = [p for kept in live.ledger.kept.values() for p in kept.figures.problems]
        complete = found.coverage == 1.0 and not lost and not doubted and live.complete
        links_max = max(counts, default=None)
        if self.full is None and found.coverage == 1.0 and not live.complete:
            links_max = None  # a container or a cached step may have a file with more
        return RootReport(
            root=site.root.path,
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
                    *live.records.problems,
                    *live.drift,
                    *_damaged(live),
                    *lost,
                    *_doubts(home, len(doubted)),
                    *found.problems,
                    *_limit_problems(home, site, links_max),
                ]
            ),
            scan=ScanFacts(
                complete,
                found.coverage,
                site.now(),
                self.full,
            ),
        )


def _drift(home: Home, kept: Live, fresh: Live) -> list[Problem]:
    """The layers in which two counts differ, once both are of the same moment; else nothing."""
    before: list[Problem] = []
    for _ in range(ATTEMPTS):
        fresh.look(home, lambda: None)
        kept.look(home, lambda: None)
        drift = fresh.ledger.drift_from(kept.ledger, home)
        if drift == before:
            return drift
        before = drift
    return []


def _terms(home: Home) -> thinking.Terms:
    """What can run out here. A filesystem that makes inodes as it goes counts none (btrfs)."""
    space = os.fstatvfs(home.fd)
    can_run_out = set[Resource]()
    if home.driver.shares_links and home.filesystem.limit.bounded:
        can_run_out.add(Resource.LINKS)
    if home.driver.costs_a_tree and space.f_files:
        can_run_out.add(Resource.INODES)
    free = space.f_ffree - _made_once(home)
    return thinking.Terms(frozenset(can_run_out), free, home.filesystem.link_costs_inode)


def _made_once(home: Home) -> int:
    """How many inodes the engine's first build or container makes once and for all.

    That is the folder of all mounts (moby v20.10.24 `layer/filestore.go`, SetMountID).
    """
    return 0 if os.path.isdir(home.image / "layerdb/mounts") else 1


def _damaged(live: Live) -> list[Problem]:
    """Problems of the layers that are there and whose tar-split records are damaged."""
    damaged = live.differences.damaged if live.differences else {}
    return [problem for id, problem in damaged.items() if id in live.records.by_folder]


def _doubts(home: Home, layers: int) -> list[Problem]:
    """The problem of layers that proved to be other than they were counted, or cannot be asked."""
    what = (
        f"the figures of {layers} layers are not certain: a file is not where it was, cannot be"
        " looked at, or has more names than links; these layers are counted again"
    )
    return [Problem(home.where, what, Reason.CHANGED)] if layers else []


def _limit_problems(home: Home, site: Site, links: int | None) -> list[Problem]:
    limit, where = home.filesystem.limit, site.root.path
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
