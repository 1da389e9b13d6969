"""Of the fleet: is anything about to stop, where, and since when."""

from __future__ import annotations

from typing import Final

from boards.host import UID as HOST_UID
from boards.looks import GOOD_IS_0, LEFT_STEPS, LEFT_WORDS, LEVELS, Steps, colours, column, scarcity
from boards.model import Panel, Target
from boards.panels import stat, table, timeseries
from boards.queries import RUNBOOK

JOB: Final = 'job=~"$job"'
_FIRING: Final = (
    f'ALERTS{{{JOB},alertname=~"Hardlink.+",alertstate="firing",severity=~"critical|warning"}}'
)
_TO_HOST: Final = (
    f"/d/{HOST_UID}?var-datasource=${{datasource}}&var-job=${{__data.fields.Job:percentencode}}"
    "&var-instance=${__data.fields.Host:percentencode}&${__url_time_range}"
)
_LINK: Final = {"links": [{"title": "Open this host", "url": _TO_HOST}]}
_WARN_AT_1: Final[Steps] = ((None, "green"), (1, "orange"))
STACKED: Final = {"fillOpacity": 30, "stacking": {"mode": "normal", "group": "A"}}


def recorded(name: str, **labels: str) -> str:
    """Select a recorded series of the chosen jobs."""
    further = "".join(f',{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{JOB}{further}}}"


def _below(threshold: str, title: str, bound: str, steps: Steps) -> Panel:
    return stat(
        title,
        f"Roots with {bound} by links or inodes, as the exporters that answer tell now; the alerts hold what was last known of the others."
        " Roots that are not counted whole may have fewer left than they say.",
        Target(
            f"sum({recorded('job:hardlink_roots_below:sum', threshold=threshold)})", instant=True
        ),
        steps=steps,
        empty="nothing can run out",
    )


def in_trouble(title: str, description: str, name: str) -> Panel:
    """Count what should be none."""
    return stat(
        title,
        description,
        Target(f"sum({recorded(name)})", instant=True),
        steps=_WARN_AT_1,
    )


ABOUT_TO_STOP: Final = (
    _below(
        "exhausted", "Exhausted", "no layer left: the next build on some image fails", GOOD_IS_0
    ),
    _below(
        "critical",
        "Below the critical threshold",
        f"fewer layers left than thresholds.critical of the rules' configuration ({LEVELS.critical} by default)",
        GOOD_IS_0,
    ),
    _below(
        "warning",
        "Below the warning threshold",
        f"fewer layers left than thresholds.warning of the rules' configuration ({LEVELS.warning} by default)",
        _WARN_AT_1,
    ),
    stat(
        "Least left anywhere",
        "The least layers left by links or inodes of any root; roots that are not counted whole may have fewer.",
        Target(f"min({recorded('job:hardlink_layers_left:min')})", instant=True),
        steps=LEFT_STEPS,
        words=LEFT_WORDS,
        empty="nothing can run out",
    ),
    stat(
        "Roots",
        "Storage roots that are watched.",
        Target(f"sum({recorded('job:hardlink_roots:count')})", instant=True),
    ),
    in_trouble(
        "Exporters down",
        "Exporters that Prometheus cannot scrape: their hosts are in no other figure here.",
        "job:hardlink_exporters_down:sum",
    ),
    table(
        "The 20 tightest roots",
        "Roots with least left by links or inodes, and which of them runs out first."
        " Where not all layers are counted, the figure means 'at most'. A click on a host opens its dashboard.",
        Target(
            f"bottomk(20, {recorded('instance_root:hardlink_layers_left:bottomk20')})",
            instant=True,
            table=True,
        ),
        Target(
            f"min without (resource) ({recorded('instance_root:hardlink_scan_coverage_ratio:on_bottomk20')})",
            instant=True,
            table=True,
        ),
        columns={
            "instance": "Host",
            "root": "Root",
            "driver": "Driver",
            "resource": "Runs out first",
            "Value #A": "Layers left",
            "Value #B": "Layers counted",
            "job": "Job",
        },
        sort="Layers left",
        overrides=(
            column("Host", _LINK),
            scarcity("Layers left"),
            column(
                "Layers counted",
                {
                    "unit": "percentunit",
                    "custom.cellOptions": {"type": "color-text"},
                    "thresholds": colours(((None, "orange"), (1, "green"))),
                    "color": {"mode": "thresholds"},
                },
            ),
        ),
        width=14,
        height=16,
    ),
    table(
        "Alerts firing",
        "Our critical and warning alerts that fire now. Each has a runbook of the same name.",
        Target(_FIRING, instant=True, table=True),
        columns={
            "severity": "Severity",
            "alertname": "Alert",
            "instance": "Host",
            "root": "Root",
            "job": "Job",
        },
        sort="Severity",
        overrides=(RUNBOOK, column("Host", _LINK)),
        empty="none",
        width=10,
        height=16,
    ),
)

WHEN: Final = (
    timeseries(
        "Roots below thresholds",
        "How many roots are below each threshold of layers left; who is exhausted is in all three.",
        *(
            Target(f"sum({recorded('job:hardlink_roots_below:sum', threshold=threshold)})", legend)
            for threshold, legend in (
                ("warning", "below warning"),
                ("critical", "below critical"),
                ("exhausted", "exhausted"),
            )
        ),
        custom={"fillOpacity": 20},
        overrides=tuple(
            column(legend, {"color": {"mode": "fixed", "fixedColor": colour}})
            for legend, colour in (
                ("below warning", "yellow"),
                ("below critical", "orange"),
                ("exhausted", "red"),
            )
        ),
        width=12,
    ),
    timeseries(
        "Least left anywhere, over time",
        "The least layers left of any root of each job; roots that are not counted whole may have fewer. The scale is logarithmic above 1.",
        Target(recorded("job:hardlink_layers_left:min"), "{{job}}"),
        steps=LEFT_STEPS,
        custom={"scaleDistribution": {"type": "symlog", "log": 10, "linearThreshold": 1}},
        width=12,
    ),
    timeseries(
        "Layers given up",
        "Layers begun and given up, as a failed build step leaves them, in each hour at the pace of the last 15 minutes (layer_failed_window of the rules' configuration)."
        " A layer that was built again though it existed already looks the same.",
        Target(f"3600 * {recorded('job:hardlink_failed_layers:rate')}", "{{job}}"),
        width=12,
    ),
    timeseries(
        "Drivers in use",
        "Roots by storage driver. `overlay` links files again for each layer; the cure is `overlay2`.",
        Target(f"sum by (driver) ({recorded('job_driver:hardlink_roots:count')})", "{{driver}}"),
        custom=STACKED,
        width=12,
    ),
)
