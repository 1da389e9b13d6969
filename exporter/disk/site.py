"""Where a root lies, as this process sees it, and the way into its drivers' folders."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.disk.count import Home
from exporter.disk.drivers import Driver
from exporter.disk.limits import filesystem_of
from exporter.disk.mounts import covered_below, read_mounts
from exporter.disk.seen import limit_set_for, seen_path
from exporter.disk.walk import Ground
from exporter.model import Root
from exporter.thinking.orders import Identity


def never() -> bool:
    """Nothing happened: for a scan that nobody wakes."""
    return False


def unheard(_done: int, _of: int) -> None:
    """Take in how far a look is, for nobody."""


@dataclass(frozen=True, slots=True)
class Site:
    """A root and all that a look at it needs to know.

    `rootfs` is where this process sees the host's `/`; `now` gives the unix time, and
    `monotonic` seconds for intervals; `woken` tells, in the midst of a long look, that something
    happened; `counted` is told how many folders of how many that were due are counted.
    """

    root: Root
    rootfs: Path = Path("/")
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    woken: Callable[[], bool] = never
    counted: Callable[[int, int], None] = unheard

    def seen(self, *names: str) -> Path:
        """The place where we see a folder of the root, its symlinks being the host's."""
        path = self.root.seen.joinpath(*names)
        if self.rootfs == Path("/"):
            return path
        return seen_path(f"/{os.path.relpath(path, self.rootfs)}", self.rootfs)

    def identity(self) -> Identity | None:
        """Device and inode number of the root's folder; None where it is not there to be asked."""
        try:
            status = os.stat(self.seen())
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def holds(self, driver: Driver) -> bool:
        """Whether this root holds a driver's layers.

        Podman's and CRI-O's stores have an `overlay/` too, but `overlay-layers/` beside it.
        Raises OSError where that cannot be told.
        """
        others = self.seen(f"{driver.name}-layers")
        return _is_folder(self.seen(driver.name)) and not _is_folder(others)


def _is_folder(path: Path) -> bool:
    """Whether a folder is there. Raises OSError where that cannot be told."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextmanager
def open_home(driver: Driver, site: Site) -> Iterator[Home]:
    """Open a driver's folder for one look: kept open, it would hold up an unmount."""
    seen = site.seen(driver.name)
    fd = os.open(seen, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mounts = read_mounts()
        limit = limit_set_for(site.root, site.seen(), site.rootfs)
        filesystem = filesystem_of(fd, mounts, site.rootfs).overridden(limit)
        ground = Ground(os.stat(fd).st_dev, filesystem.inode_in_entry, covered_below(seen, mounts))
        where = f"{site.root.path}/{driver.name}"
        yield Home(driver, fd, site.seen("image", driver.name), where, filesystem, ground)
    finally:
        os.close(fd)
