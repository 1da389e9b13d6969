"""How a root stands, in one word and one sentence: the thinking behind the page, without HTML."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from exporter.config import Config, Thresholds
from exporter.model import Resource, RootReport

OLD_SECONDS: Final = 120.0
"""Figures older than this, and than three intervals, are old: a healthy daemon's are a minute old at most."""


SO_FAR: Final = "fine so far"
"""The word for a root whose layers are not all counted yet."""


class Level(IntEnum):
    """How bad it is; the worst is last."""

    FINE = 0
    LOOKING = 1  # the first look is under way
    UNKNOWN = 2  # something can run out and it is not known when
    LOW = 3  # below the warning threshold
    OLD = 4  # the figures are no longer current
    DOWN = 5  # the root gives no figures
    CRITICAL = 6  # below the critical threshold
    EXHAUSTED = 7  # not one more layer fits


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one root stands. `sentence` may hold names from disk: it is not HTML."""

    root: str
    driver: str | None
    level: Level
    word: str
    sentence: str


def level_of(left: int | None, thresholds: Thresholds) -> Level:
    """Judge layers left by links or inodes."""
    if left is None:
        return Level.UNKNOWN
    if left == 0:
        return Level.EXHAUSTED
    if left < thresholds.critical:
        return Level.CRITICAL
    return Level.LOW if left < thresholds.warning else Level.FINE


def resource_level(resource: Resource, left: int | None, thresholds: Thresholds) -> Level:
    """Judge layers left by any resource. Depth ends one image, not the host: it is low at worst."""
    level = level_of(left, thresholds)
    return min(level, Level.LOW) if resource is Resource.DEPTH else level


def is_old(report: RootReport, config: Config, now: float) -> bool:
    """Tell whether the figures are older than they may be."""
    return now - report.scan.looked > max(OLD_SECONDS, 3 * config.scan.interval)


def verdict(report: RootReport, config: Config, now: float) -> Verdict:
    """Judge one root by its newest report."""
    if not report.up:
        why = report.problems[0].what if report.problems else "the last look gave no figures"
        return Verdict(report.root, report.driver, Level.DOWN, "down", why)
    levels = [resource_level(r, n, config.thresholds) for r, n in report.layers_left.items()]
    level = max(levels, default=Level.FINE)
    if is_old(report, config, now) and level < Level.OLD:
        return Verdict(
            report.root,
            report.driver,
            Level.OLD,
            "old figures",
            f"{fits(report)}; that is an old figure",
        )
    return Verdict(report.root, report.driver, level, _word(level, report), fits(report))


def first_look(root: str) -> Verdict:
    """Tell of a root that has not given its first answer yet."""
    return Verdict(root, None, Level.LOOKING, "first look", "the first look is under way")


def fits(report: RootReport) -> str:
    """Say how many more layers fit, and what ends it."""
    first = report.runs_out_first
    if first is None:
        return "how many more layers fit is not known"
    left = report.layers_left[first]
    if left == 0:
        said = _none_fits(first)
    else:
        layers = "1 more layer fits" if left == 1 else f"{left:,} more layers fit"
        said = f"{'' if report.scan.complete else 'at most '}{layers}, then {runs_out(first)}"
    unknown = [str(r) for r, n in report.layers_left.items() if n is None]
    return (
        f"{said}; {' and '.join(unknown)} may end sooner, that limit is unknown"
        if unknown
        else said
    )


def runs_out(resource: Resource) -> str:
    """Say that a resource runs out."""
    return "depth runs out" if resource is Resource.DEPTH else f"{resource} run out"


def _none_fits(first: Resource) -> str:
    if first is Resource.DEPTH:
        return "the deepest image takes no further layer"
    return f"the next layer on its tightest images fails, no {first} are left"


def _word(level: Level, report: RootReport) -> str:
    if level is Level.FINE and not report.scan.complete:
        return SO_FAR
    return "not known" if level is Level.UNKNOWN else level.name.lower()
