"""The one judgement of a root: its level, its sentence, "at most" and stale.

Every output words an assessment and decides nothing itself: the page, the table, the JSON report
and the status line. The alerting rules take their bounds from here, so that a level is an alert's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from exporter.config import Config
from exporter.durations import seconds
from exporter.model import Reports, Resource, RootReport

_MISSED_SCANS: Final = 3
"""Figures are old after so many intervals without a scan, however long an interval is."""


class Level(IntEnum):
    """How bad it is; the worst is last."""

    OK = 0
    INFO = 1  # an image is near the depth limit, which ends that image alone
    PENDING = 2  # the first scan has not answered yet
    INCOMPLETE = 3  # not all image layers are counted; those that are give no cause for alarm
    UNKNOWN = 4  # something can run out, and it is not known when
    WARNING = 5  # below the warning threshold
    STALE = 6  # the figures are not current
    DOWN = 7  # there are no figures
    CRITICAL = 8  # below the critical threshold
    EXHAUSTED = 9  # the next layer fails

    @property
    def word(self) -> str:
        """The level's name in every output."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Assessment:
    """How one driver of a root stands; `report` is None before the root's first answer.

    `left` is how many more layers fit before `resource` runs out, the resource that decides the
    level; both are None where no figure is known. `rest` is the sentence after that figure. It may
    hold names from disk. `at_most`: coverage is below 1. `stale`: HardlinkScanStale fires, as far as
    the age tells.
    """

    root: str
    driver: str | None
    report: RootReport | None
    level: Level
    rest: str
    left: int | None = None
    resource: Resource | None = None
    at_most: bool = False
    stale: bool = False

    @property
    def sentence(self) -> str:
        """Everything in one sentence, without its full stop."""
        if self.left is None:
            return self.rest
        return f"{self.upper_bound}{self.left:,}{self.rest}"

    @property
    def upper_bound(self) -> str:
        """What to write before any count of layers left."""
        return "at most " if self.at_most else ""

    @property
    def lower_bound(self) -> str:
        """What to write before the highest link count."""
        return "at least " if self.at_most else ""


def bounds(resource: Resource, config: Config) -> Mapping[Level, int]:
    """The layers left below which each level begins, the worst level last."""
    if resource is Resource.DEPTH:
        return {Level.INFO: config.alerts.depth_left}
    thresholds = config.thresholds
    return {
        Level.WARNING: thresholds.warning,
        Level.CRITICAL: thresholds.critical,
        Level.EXHAUSTED: 1,
    }


def level_of(resource: Resource, left: int | None, config: Config) -> Level:
    """Judge the layers left by one resource, of an image or of a root."""
    if left is None:
        return Level.UNKNOWN
    reached = [level for level, bound in bounds(resource, config).items() if left < bound]
    return max(reached, default=Level.OK)


def stale_after(config: Config) -> float:
    """The age in seconds above which figures are old: HardlinkScanStale fires when they stay so."""
    return max(seconds(config.alerts.stale_after), _MISSED_SCANS * config.scan.interval)


def stale_ages(config: Config) -> tuple[float, float]:
    """The ages in seconds below the first and above the second of which figures are stale.

    Figures that grow older are stale when HardlinkScanStale fires, which waits for `alerts.stale_for`.
    Of figures that bear a time to come nobody can tell for how long they have: they are stale at
    once, as long as they are so to the alert.
    """
    after = stale_after(config)
    return -after, after + seconds(config.alerts.stale_for)


def assess(report: RootReport, config: Config, now: float) -> Assessment:
    """Judge one driver of a root by its newest report, as of `now`, a unix time."""
    if not report.up:
        why = report.problems[0].what if report.problems else "the last scan gave no figures"
        return Assessment(report.root, report.driver, report, Level.DOWN, why)
    # A time that lies ahead is as bad as an old one: nobody can tell how old the figures are.
    ahead, old = stale_ages(config)
    stale = not ahead <= now - report.scan.looked <= old
    at_most = report.scan.coverage < 1
    levels = {r: level_of(r, n, config) for r, n in report.layers_left.items()}
    flags = {Level.STALE: stale, Level.INCOMPLETE: at_most}
    left, resource = _decisive(report, levels)
    return Assessment(
        report.root,
        report.driver,
        report,
        max([Level.OK, *levels.values(), *(level for level, is_so in flags.items() if is_so)]),
        "; ".join(_rest(report, levels, left, resource, stale=stale)),
        left,
        resource,
        at_most,
        stale,
    )


def assess_waiting(root: str, waited: float, config: Config) -> Assessment:
    """Judge a root that has not answered yet; its first scan began `waited` seconds ago.

    The alert waits for `alerts.stale_for` before it fires; so does this.
    """
    stale = waited > seconds(config.alerts.stale_for)
    level = Level.STALE if stale else Level.PENDING
    told = "the first scan has not answered" if stale else "the first scan is under way"
    return Assessment(root, None, None, level, told, stale=stale)


def assess_all(
    reports: Reports, config: Config, now: float, waiting: Mapping[str, float] | None = None
) -> tuple[Assessment, ...]:
    """Judge each report, then each root that is `waiting` for its first answer for so many seconds."""
    answered = {report.root for report in reports}
    return (
        *(assess(report, config, now) for report in reports),
        *(
            assess_waiting(root, waited, config)
            for root, waited in (waiting or {}).items()
            if root not in answered
        ),
    )


def assess_nothing(*, ready: bool) -> tuple[Level, str]:
    """The level and the sentence where there is no root at all; `ready`: all were searched."""
    if ready:
        return Level.DOWN, "no storage root was found"
    return Level.PENDING, "looking for storage roots"


def _decisive(
    report: RootReport, levels: Mapping[Resource, Level]
) -> tuple[int, Resource] | tuple[None, None]:
    """Choose the figure that the sentence is about: the least, but depth hides nothing worse."""
    left = {r: n for r, n in report.layers_left.items() if n is not None}
    if not left or report.depth_max == 0:  # without a layer there is nothing to stack one on
        return None, None
    deep = levels.get(Resource.DEPTH, Level.OK)
    first = min(left, key=lambda r: (levels[r] <= deep, left[r]))
    return left[first], first


def _rest(
    report: RootReport,
    levels: Mapping[Resource, Level],
    left: int | None,
    resource: Resource | None,
    *,
    stale: bool,
) -> Iterator[str]:
    """The parts of the sentence after its figure."""
    if left is not None and resource is not None:
        yield _fits(left, resource)
        deep = report.layers_left.get(Resource.DEPTH)
        if deep is not None and (deep < left or levels[Resource.DEPTH] > levels[resource]):
            yield f"the deepest image takes {deep:,} more"
        unknown = " and ".join(r for r, n in report.layers_left.items() if n is None)
        if unknown:
            yield f"{unknown} may run out sooner, that is not known"
    elif report.depth_max == 0:
        yield "there is no image layer yet"
    elif report.layers_left:
        yield "how many more layers fit is not known"
    else:
        yield "nothing can run out"
    if stale:
        yield "these figures are stale"


def _fits(left: int, resource: Resource) -> str:
    layers = " more layer fits" if left == 1 else " more layers fit"
    if resource is Resource.DEPTH:
        return f"{layers}, then depth runs out" if left else f"{layers} on the deepest image"
    if left:
        return f"{layers}, then {resource} run out"
    return f"{layers}, no {resource} are left: the next layer on the tightest images fails"


def percent(part: float) -> str:
    """A part of 1 as a percentage that is 100 only when it is all."""
    return f"{int(part * 100)} %"
