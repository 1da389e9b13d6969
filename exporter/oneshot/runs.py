"""Running jobs, each in a process of its own, with a time limit that progress puts off."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from typing import Any, Final

from exporter.logs import logger
from exporter.oneshot.job import Counted, Further, Job, Message, T
from exporter.oneshot.locks import Locks
from exporter.oneshot.run import Outcome, Run
from exporter.thinking.orders import Stands

POLL_SECONDS: Final = 0.1
"""How often locks and time limits are looked at."""

SILENT_SECONDS: Final = 10.0
"""What is known is told meanwhile when the other jobs gave no sign of life for so long."""

Progress = Callable[[str, int, int | None], object]
"""Takes a job's name, and how many folders of how many are counted (None: not known yet)."""

Meanwhile = Callable[[list[Outcome[T]]], object]


def nobody(*_: object) -> None:
    """Take in what nobody asked for."""


def run_jobs(
    jobs: Sequence[Job[T]],
    limit: float,
    progress: Progress = nobody,
    meanwhile: Meanwhile[T] = nobody,
) -> list[Outcome[T]]:
    """Run jobs at the same time, each given up after `limit` seconds without progress.

    The outcomes are in the order of the jobs; a job's further ones follow it. Of two that look at
    the same folder under two names, the first has an outcome. `meanwhile` is given what
    is known when all that is missing is silent.
    """
    locks = Locks.opened()
    runs = [Run(job, limit, locks) for job in jobs]
    told = 0
    try:
        while not all(run.is_over for run in runs):
            _step(runs, progress)
            known = sum(run.outcome is not None for run in runs)
            if told < known and _all_silent(runs, limit):
                told = known
                meanwhile(_so_far(runs))
    finally:
        for run in runs:
            run.let_go()
        for run in runs:
            run.has_ended()
        locks.close()
    return _so_far(runs)


def _so_far(runs: Sequence[Run[T]]) -> list[Outcome[T]]:
    return [run.so_far for run in runs if not run.is_twin]


def _step(runs: list[Run[Any]], progress: Progress) -> None:
    """Start what can be started, hear what is said within a moment, give up what is late."""
    waiting = [run for run in runs if not run.is_over]
    for run in waiting:
        if run.pipe is None and run.begin():
            progress(run.job.name, 0, None)
    wait([run.pipe for run in waiting if run.pipe is not None], POLL_SECONDS)
    for run in waiting:
        for message in run.hear():
            _follow(runs, run, message, progress)
    for run in waiting:
        if not run.is_over:
            run.give_up_late()


def _follow(runs: list[Run[Any]], run: Run[Any], message: Message, progress: Progress) -> None:
    """Do what a message asks for."""
    match message:
        case Counted(done, of):
            progress(run.job.name, done, of)
        case Stands():
            _drop_twins(runs, run)
        case Further(jobs):
            place = runs.index(run) + 1
            runs[place:place] = [Run(job, run.limit, run.locks) for job in jobs]


def _drop_twins(runs: list[Run[Any]], run: Run[Any]) -> None:
    """Keep the first of the runs that look at the same folder."""
    same = [other for other in runs if other.identity == run.identity and not other.is_twin]
    first, *others = same
    for other in others:
        other.end()
        other.is_twin = True
        logger().info("one root under two names", root=first.job.name, left_out=other.job.name)


def _all_silent(runs: list[Run[Any]], limit: float) -> bool:
    """Whether something is missing, and all that is missing has given no sign of life for a while."""
    now, long = time.monotonic(), min(SILENT_SECONDS, limit / 2)
    missing = [run for run in runs if not run.is_over]
    return bool(missing) and all(now - run.heard_at >= long for run in missing)
