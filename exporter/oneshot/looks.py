"""What commands use: look at each root once, in a process of its own, and never hang."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from exporter.disk.roots import RootsError, named_roots
from exporter.errors import UserError
from exporter.logs import logger
from exporter.model import Root
from exporter.oneshot.job import T
from exporter.oneshot.run import Outcome
from exporter.oneshot.runs import Progress, nobody, run_jobs
from exporter.oneshot.work import See, is_there, look, look_if_found, search


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
        jobs = [look(root, host.rootfs, see) for root in roots]
    else:
        jobs = [look_if_found(root, host.rootfs, see) for root in _candidates(host, limit)]
    outcomes = run_jobs(jobs, limit, progress, lambda known: meanwhile(_looks(known)))
    return _looks(outcomes)


def find_roots(host: Host, limit: float) -> list[Root]:
    """The roots that are named, or where none is, those found on the host. None is looked into."""
    if host.named:
        return list(named_roots(host.named, host.rootfs, host.links_limits))
    return [found.root for found in look_at(host, is_there, limit)]


def _looks(outcomes: Sequence[Outcome[T | None]]) -> list[Look[T]]:
    """Leave out places where a root was looked for and is not."""
    return [
        Look(outcome.job.root, outcome.found, str(outcome.error or ""), outcome.waiting)
        for outcome in outcomes
        if outcome.job.root and (outcome.found is not None or outcome.error)
    ]


def _candidates(host: Host, limit: float) -> list[Root]:
    """Ask, in a process of its own, where roots may lie."""
    job = search(host.rootfs)
    (outcome,) = run_jobs([job], limit)
    if outcome.found is None:
        if isinstance(outcome.error, RootsError):
            raise outcome.error
        raise UserError(f"{job.name}: {outcome.error}; name the roots instead")
    for problem in outcome.found.problems:
        logger().warning(problem)
    return [
        Root(path, host.rootfs / path.lstrip("/"), True, host.links_limits)
        for path in outcome.found.paths
    ]
