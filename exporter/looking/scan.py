"""One look at one root: from folders to frozen reports.

A folder `overlay/` says that the driver is overlay. The driver tells what lies in each of
its folders; layerdb tells which of them are image layers, and who stands on whom. Each tree
is walked; a regular file met for the first time is asked for its links, each further name of
it is only counted. `(limit - links) // names`, the least over the tree's inodes, is how many
more layers fit on that layer; an image has the figure of its top layer, a root the least of
all its image layers.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporter.disk.drivers import DRIVERS
from exporter.disk.site import Site, never, unheard
from exporter.looking.driven import LiveDriver, down
from exporter.looking.records import ATTEMPTS
from exporter.model import Reports, Root, RootReport

LONGEST_DOUBT: Final = 2.0
"""A scan waits no longer than these seconds to see whether what it doubts stays as it is."""

CLOSED_SECONDS: Final = 5.0
"""Pause before a driver's folder that could not be opened is tried again."""

Now = Callable[[], float]
Publish = Callable[[Reports], None]


def scan_root(
    root: Root, rootfs: Path = Path("/"), counted: Callable[[int, int], None] = unheard
) -> Reports:
    """Look at one root once: a report for each driver in it, or a single one that says why not.

    `rootfs` is where this process sees the host's `/`; `counted` is told how far the look is.
    """
    live = LiveRoot(root, rootfs, counted=counted)
    reports = live.look(lambda _: None)
    for _ in range(ATTEMPTS):
        wait = live.doubt_in()
        if wait is None or wait > LONGEST_DOUBT:
            break
        time.sleep(wait)
        reports = live.look(lambda _: None)
    return reports


@dataclass(slots=True)
class LiveRoot:
    """One root, looked at again and again: what is known of it is kept between looks.

    `now` gives the unix time, `monotonic` seconds for intervals, which no step of the wall clock
    may change. `woken` tells, in the midst of a long look, that something happened; `counted` is told how
    many folders of how many that were due are counted.
    """

    root: Root
    rootfs: Path = Path("/")
    now: Now = time.time
    monotonic: Now = time.monotonic
    woken: Callable[[], bool] = never
    counted: Callable[[int, int], None] = unheard
    drivers: dict[str, LiveDriver] = field(default_factory=dict)

    @property
    def site(self) -> Site:
        """Where the root lies."""
        return Site(self.root, self.rootfs, self.now, self.monotonic, self.woken, self.counted)

    def look(self, publish: Publish, *, anew: bool = False) -> Reports:
        """Look at the root; a first answer, before all is counted, goes to `publish`.

        `anew`: count all of it again, and see that what was kept was right.
        """
        try:
            empty = not os.listdir(self.site.seen())
            found = [driver for driver in DRIVERS if self.site.holds(driver)]
        except OSError as error:
            gone = error.errno in (errno.ENOENT, errno.ENOTDIR)
            return self._nothing(f"the root cannot be read: {error.strerror}", forget=gone)
        if not found:
            what = "the root is empty" if empty else "the root is not a Docker storage root"
            known = ", ".join(f"{driver.name}/" for driver in DRIVERS)
            return self._nothing(f"{what}: it has none of {known}")
        reports: dict[str, RootReport] = {}
        for driver in found:
            live = self.drivers.setdefault(driver.name, LiveDriver(driver))

            def first_answer(report: RootReport) -> None:
                publish((*reports.values(), report))

            reports[driver.name] = live.look(self.site, first_answer, anew=anew)
        self.drivers = {name: self.drivers[name] for name in reports}
        return tuple(reports.values())

    def due_in(self) -> float | None:
        """The seconds until another look has something to do, if it has before an event."""
        lives = (driver.live for driver in self.drivers.values())
        waits = [live.due_in() if live else CLOSED_SECONDS for live in lives]
        return min((wait for wait in waits if wait is not None), default=None)

    def glance(self) -> bool:
        """Whether what no watch tells of has changed, so that a look is due: a few stats."""
        lives = {name: driver.live for name, driver in self.drivers.items() if driver.live}
        return any(
            live.young.changed(self.site.seen("image", name)) for name, live in lives.items()
        )

    def glance_in(self) -> float | None:
        """The seconds until the next glance is due, if one is."""
        lives = [driver.live for driver in self.drivers.values() if driver.live]
        waits = [live.young.due_in(self.monotonic()) for live in lives]
        return min((wait for wait in waits if wait is not None), default=None)

    def doubt_in(self) -> float | None:
        """The seconds until layers that are in doubt can be counted again."""
        lives = [driver.live for driver in self.drivers.values() if driver.live]
        waits = [live.doubts.due_in(self.monotonic()) for live in lives if live.doubts.layers]
        return min((wait for wait in waits if wait is not None), default=None)

    def _nothing(self, what: str, *, forget: bool = True) -> Reports:
        """Report that the root gave nothing; after trouble of a moment what is known is kept."""
        if forget:
            self.drivers = {}
        return (down(self.root, what, self.now),)
