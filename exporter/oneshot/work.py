"""What is done in a child process: ask where roots may lie, look at one, look for one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from exporter.disk.places import Candidates
from exporter.disk.roots import candidates, roots_at
from exporter.disk.site import Site
from exporter.model import Root
from exporter.oneshot.job import Job, T, Teller

See = Callable[[Root, Path, Callable[[int, int], None]], T]
"""Looks at a root. It takes the root, where the host's `/` is, and what is told how far it is."""


def search(rootfs: Path) -> Job[Candidates]:
    """The job to ask where roots may lie; none of these places is looked at."""
    return Job("the search for storage roots", f"search {rootfs}", partial(_search, rootfs))


def look(root: Root, rootfs: Path, see: See[T]) -> Job[T | None]:
    """The job to look at a root."""
    return _job(root, partial(_look, root, rootfs, see))


def look_if_found(root: Root, rootfs: Path, see: See[T]) -> Job[T | None]:
    """The job to look at a place if a root is there, and at the user-namespaced ones below it."""
    return _job(root, partial(_look_if_found, root, rootfs, see))


def _job(root: Root, work: Callable[[Teller], T | None]) -> Job[T | None]:
    return Job(root.path, f"root {root.seen}", work, root)


def _search(rootfs: Path, _teller: Teller) -> Candidates:
    return candidates(rootfs)


def _look(root: Root, rootfs: Path, see: See[T], teller: Teller) -> T:
    identity = Site(root, rootfs).identity()
    if identity is not None:
        teller.stands(identity)
    return see(root, rootfs, teller.counted)


def _look_if_found(root: Root, rootfs: Path, see: See[T], teller: Teller) -> T | None:
    found = {r.path: r for r in roots_at(root.path, rootfs, root.links_limits)}
    here = found.pop(root.path, None)
    teller.further([look(below, rootfs, see) for below in found.values()])
    return None if here is None else _look(here, rootfs, see, teller)


def is_there(_root: Root, _rootfs: Path, _counted: Callable[[int, int], None]) -> bool:
    """Tell no more of a root than that it is there (a `See`)."""
    return True
