"""Alerts about what will run out: layers left by links, inodes and depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exporter.config import Config
from exporter.durations import duration, seconds
from exporter.model import Resource
from exporter.rules.nouns import Alert, Group, Record
from exporter.rules.wording import PLACE, RUNS_OUT, SUBJECT, ask, at_most, images, runbook
from exporter.telling.assessment import Level, bounds

HELD: Final = "instance_root:hardlink_layers_left:held"
"""The recorded figure that the alerts are about."""

_RARER: Final = 4
_RAREST_SECONDS: Final = 240.0  # below Prometheus' 5 minutes, after which it forgets a series

_ROOT: Final = "on (job, instance, root, driver)"

_LEFT: Final = f"hardlink_layers_left{{{RUNS_OUT}}}"

_REMOVE: Final = (
    "Remove images that nobody needs (`docker rmi`), first those named here and what is built on"
    " them; build with BuildKit, which links nothing; plan the move to overlay2."
)


def running_out_groups(config: Config) -> tuple[Group, ...]:
    """The group whose first rule records what is left, and the groups of alerts about it.

    The trend has a group of its own, evaluated less often: it reads a day of each series, and
    waits for an hour in any case.
    """
    maker, interval = _Maker(config), config.alerts.interval
    rarely = duration(min(_RARER * seconds(interval), _RAREST_SECONDS))
    return (
        Group(
            "hardlink-running-out",
            (
                Record(HELD, maker.held()),
                maker.low(Level.WARNING, config.alerts.warning_for),
                maker.low(Level.CRITICAL, config.alerts.critical_for),
                maker.exhausted(),
                maker.layer_failed(),
                maker.depth_near_limit(),
            ),
            interval,
        ),
        Group("hardlink-filling-up", (maker.filling_up(),), rarely),
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the rules with the values of one configuration."""

    config: Config

    def held(self) -> str:
        """What is left as far as it is known, never calmer than it is.

        In this order: the figure itself, once all layers or a first full pass are counted; before
        that it means "at most", so the smaller of it and of what was recorded last, and alone
        where nothing was. Where there is none, what was recorded last stays for as long as nobody
        can know better: the exporter is down; the root is down, or is watched and has not answered
        since the exporter started (for `hold` after the watch was last seen, so that an exporter
        that starts again and again ends nothing); one driver of a root that is up by another cannot
        be read. At last the last figure, which also outlives a Prometheus that was down.
        """
        hold = self.config.alerts.hold
        return (
            f"(\n  {_LEFT}\n  and {_ROOT}\n"
            "  (hardlink_scan_coverage_ratio == 1 or hardlink_full_scan_timestamp_seconds)\n)\nor\n"
            f"({HELD} < {_LEFT})\nor\n{_LEFT}\nor\n"
            f"(\n  {HELD}\n  and on (job, instance) up == 0\n)\nor\n"
            f"(\n  {HELD}\n  and on (job, instance, root)\n"
            f"  (hardlink_root_up == 0 or (last_over_time(hardlink_watch_active[{hold}])"
            " unless hardlink_root_up))\n)\nor\n"
            f'(\n  {HELD}\n  and {_ROOT} hardlink_problems{{reason="root"}} > 0\n)\nor\n'
            f"last_over_time({_LEFT}[{hold}])"
        )

    def below(self, level: Level, resource: Resource = Resource.LINKS) -> int:
        """The layers left below which a level begins; by inodes as by links."""
        return bounds(resource, self.config)[level]

    def low(self, level: Level, wait: str) -> Alert:
        name, below = "HardlinkLayersLeftLow", self.below(level)
        return Alert(
            name,
            expr=f"{HELD} < {below}",
            severity=level.word,
            wait=wait,
            hold=self.config.alerts.keep_firing_for,
            summary="Few more layers fit on images of a Docker storage root.",
            description=self._left_now(f" (below {below} is {level.word})", below),
            action=_REMOVE,
            runbook=runbook(self.config, name),
        )

    def exhausted(self) -> Alert:
        name, below = "HardlinkExhausted", self.below(Level.EXHAUSTED)
        return Alert(
            name,
            expr=f"{HELD} < {below}",
            severity="critical",
            wait=self.config.alerts.exhausted_for,
            hold=self.config.alerts.keep_firing_for,
            summary="No more layers fit: the next layer on these images fails.",
            description=self._left_now(
                ": every build, pull, load or commit that stacks a layer there fails", below
            ),
            action=_REMOVE,
            runbook=runbook(self.config, name),
        )

    def _left_now(self, further: str, below: int) -> str:
        return (
            f"{SUBJECT}Layers left in {PLACE} before its {{{{ $labels.resource }}}} run out:"
            f" {at_most()}{{{{ $value }}}}{further}.\n{images(below, self.config.alerts.hold)}"
        )

    def filling_up(self) -> Alert:
        """A fall that is low enough, fast enough, and no burst that a prune will undo.

        Lower than `steady` ago, when it was lower than as long before: both are so together for
        no longer than a burst lasts, so one shorter than `for` never fires; and both are always so
        while builds come at least once in each `steady`. Lower than ever in the time before:
        builds by day and a prune by night come to the same depth each day.
        """
        name, alerts = "HardlinkFillingUp", self.config.alerts
        steady = alerts.filling_up_steady
        before = duration(2 * seconds(steady))
        rate = ask(
            f"{HELD}{{ROOT}} / -deriv({HELD}{{ROOT}}[{alerts.filling_up_window}])", "resource=%q"
        )
        return Alert(
            name,
            expr=(
                f"{HELD} < {alerts.filling_up_below}\nand\n"
                f"predict_linear({HELD}[{alerts.filling_up_window}],"
                f" {seconds(alerts.filling_up_ahead):.15g}) <= 0\nand\n"
                f"{HELD} < min_over_time({HELD}[{alerts.filling_up_guard}] offset {steady})\nand\n"
                f"({HELD} offset {steady}) < ({HELD} offset {before})"
            ),
            severity="warning",
            wait=alerts.filling_up_for,
            hold=alerts.keep_firing_for,
            summary="Layers left in a Docker storage root are falling towards 0.",
            description=(
                f"{SUBJECT}Layers left in {PLACE} before its {{{{ $labels.resource }}}} run out:"
                f" {at_most()}{{{{ $value }}}}, and at the rate of the last"
                f" {alerts.filling_up_window} none in about"
                f" {{{{ range {rate} }}}}{{{{ .Value | humanizeDuration }}}}"
                "{{ else }}a time that cannot be told just now{{ end }}.\n"
                f"{images(alerts.filling_up_below, alerts.hold)}"
            ),
            action=_REMOVE,
            runbook=runbook(self.config, name),
        )

    def layer_failed(self) -> Alert:
        name, alerts = "HardlinkLayerFailed", self.config.alerts
        few = self.below(Level.WARNING)
        left = ask(f"{HELD}{{ROOT}} < {few}")
        return Alert(
            name,
            expr=(
                f"increase(hardlink_failed_layers_total[{alerts.layer_failed_window}]) > 0\n"
                f"and {_ROOT}\n{HELD} < {few}"
            ),
            severity="warning",
            wait=alerts.layer_failed_for,
            summary="The engine gave up a layer where few more layers fit.",
            description=(
                f"{SUBJECT}Layers begun and given up in the last {alerts.layer_failed_window} in"
                f' {PLACE}: about {{{{ $value | printf "%.0f" }}}}. Layers left there:'
                f" {{{{ range $i, $left := {left} }}}}{{{{ if $i }}}}, {{{{ end }}}}"
                "{{ $left.Value }} by {{ $left.Labels.resource }}{{ end }}.\n"
                f"{images(few, alerts.hold, RUNS_OUT)}"
            ),
            action=(
                "Look at what the build or pull said: `too many links` or `no space left on device`"
                f" means that it has begun. {_REMOVE}"
            ),
            runbook=runbook(self.config, name),
        )

    def depth_near_limit(self) -> Alert:
        name, below = "HardlinkLayerDepthNearLimit", self.below(Level.INFO, Resource.DEPTH)
        deepest = ask("hardlink_layer_depth_max{ROOT}")
        return Alert(
            name,
            expr=f'hardlink_layers_left{{resource="depth"}} < {below}',
            severity=Level.INFO.word,
            wait=self.config.alerts.depth_for,
            hold=self.config.alerts.keep_firing_for,
            summary="An image is nearly as deep as the engine allows.",
            description=(
                f"{SUBJECT}The deepest image of {PLACE} has"
                f" {{{{ range {deepest} }}}}{{{{ .Value }}}}{{{{ else }}}}nearly too many{{{{ end }}}}"
                " layers; {{ $value }} more and the engine says `max depth exceeded`.\n"
                "Images concerned: those with the least under DEPTH LEFT in"
                " `hardlink-exporter scan {{ $labels.root }}`."
            ),
            action="Squash the image, or begin anew from its base: it was built on itself too often.",
            runbook=runbook(self.config, name),
        )
