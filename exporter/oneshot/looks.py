"""What commands use: look at each root once, in a process of its own, and never hang."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Generic

from exporter.disk.roots import RootsError, candidates, named_roots, roots_at
from exporter.disk.site import Site
from exporter.errors import UserError
from exporter.model import Root
from exporter.oneshot.job import Job, T, Teller
from exporter.oneshot.run import Outcome
from exporter.oneshot.runs import Progress, nobody, run_jobs

See = Callable[[Root, Path, Callable[[int, int], None]], T]
"""Looks at a root. It takes the root, where the host's `/` is, and what is told how far it is."""

_SEARCH: Final = "the search for storage roots"


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """One root, and what was found there, or else what kept us from it.

    `waiting`: no sign of life came for a while, and the look goes on.
    """

    root: Root
    found: T | None
    trouble: str = ""
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """Where to look: the roots that are named, or where none is, those found on the host.

    `rootfs` is where this process sees the host's `/`. `links_limits` are those set by hand.
    """

    named: Sequence[str]
    rootfs: Path
    links_limits: Mapping[str, int]


def look_at(
    host: Host,
    see: See[T],
    limit: float,
    progress: Progress = nobody,
    meanwhile: Callable[[list[Look[T]]], object] = nobody,
) -> list[Look[T]]:
    """Look at each root at the same time, each given up after `limit` seconds without progress.

    The looks are in the order in which the roots are named or found. `meanwhile` is given what is
    known when all roots that are missing are silent. Raises UserError where the search fails.
    """
    if host.named:
        roots = named_roots(host.named, host.rootfs, host.links_limits)
        jobs = [_job(root, partial(_look, root, host.rootfs, see)) for root in roots]
    else:
        jobs = [
            _job(root, partial(_look_if_found, root, host.rootfs, see))
            for root in _candidates(host, limit)
        ]
    outcomes = run_jobs(jobs, limit, progress, lambda known: meanwhile(_looks(known)))
    return _looks(outcomes)


def _job(root: Root, work: Callable[[Teller], T | None]) -> Job[T | None]:
    return Job(root.path, f"root {root.seen}", work, root)


def _looks(outcomes: Sequence[Outcome[T | None]]) -> list[Look[T]]:
    """Leave out places where a root was looked for and is not."""
    return [
        Look(outcome.job.root, outcome.found, str(outcome.error or ""), outcome.waiting)
        for outcome in outcomes
        if outcome.job.root and (outcome.found is not None or outcome.error)
    ]


def _candidates(host: Host, limit: float) -> list[Root]:
    """Ask, in a process of its own, where roots may lie."""
    search = Job(_SEARCH, f"search {host.rootfs}", partial(_search, host.rootfs))
    (outcome,) = run_jobs([search], limit)
    if outcome.found is None:
        if isinstance(outcome.error, RootsError):
            raise outcome.error
        raise UserError(f"{_SEARCH}: {outcome.error}; name the roots instead")
    seen = (host.rootfs / path.lstrip("/") for path in outcome.found)
    pairs = zip(outcome.found, seen, strict=True)
    return [Root(path, place, True, host.links_limits) for path, place in pairs]


def _search(rootfs: Path, _teller: Teller) -> tuple[str, ...]:
    return candidates(rootfs)


def _look(root: Root, rootfs: Path, see: See[T], teller: Teller) -> T:
    identity = Site(root, rootfs).identity()
    if identity is not None:
        teller.stands(identity)
    return see(root, rootfs, teller.counted)


def _look_if_found(root: Root, rootfs: Path, see: See[T], teller: Teller) -> T | None:
    """Look at what may be a root; have the user-namespaced ones below it looked at as well."""
    here, below = None, list[Root]()
    for found in roots_at(root.path, rootfs, root.links_limits):
        if found.path == root.path:
            here = found
        else:
            below.append(found)
    teller.further([_job(found, partial(_look, found, rootfs, see)) for found in below])
    return None if here is None else _look(here, rootfs, see, teller)
