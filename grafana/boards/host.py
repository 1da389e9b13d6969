"""The dashboard of one host: is anything about to stop, when, why, what to do, and can it be trusted."""

from __future__ import annotations

from typing import Final

from boards.model import Dashboard, Row, Target, Variable
from boards.panels import (
    GOOD_IS_0,
    GOOD_IS_1,
    bars,
    colours,
    column,
    line,
    stat,
    table,
    text,
    timeseries,
)
from boards.queries import (
    DRIVEN,
    HOST,
    LEFT_STEPS,
    LEFT_WORDS,
    alert_marks,
    of_host,
    of_root,
    with_doubt,
)
from exporter.model import LINKS_OVER

UID: Final = "hardlink-host"

_DAY: Final = 86400
_PLACE: Final = "{{root}} ({{driver}})"
_AT_MOST: Final = "at most"
_BREAKS: Final = of_root("layers_left", resource="~links|inodes")
"""What ends in failing builds on any image: depth ends those on one image alone."""

_SYMLOG: Final = {"scaleDistribution": {"type": "symlog", "log": 10, "linearThreshold": 1}}
_LIMIT: Final = {
    "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
    "color": {"mode": "fixed", "fixedColor": "red"},
}

ABOUT_TO_STOP: Final = (
    stat(
        "Layers left",
        "How many more layers can be stacked before hard links or inodes run out, whichever is first."
        ' The least over all image layers of each root. "At most" is said while not all layers are counted.'
        " Depth, which ends builds on one image only, is below.",
        *with_doubt(
            f"bottomk by ({DRIVEN}) (1, {_BREAKS})",
            f"{_PLACE}: {{{{resource}}}}",
            _AT_MOST,
            instant=True,
        ),
        steps=LEFT_STEPS,
        words=LEFT_WORDS,
        empty="no figure: only depth can run out here, or the links limit is unknown",
        width=7,
        height=6,
    ),
    stat(
        "Runs out in",
        "When none is left, at the average pace of the time range shown at the top; empty while nothing falls."
        " A straight line through past builds: it knows nothing of what you will build or remove.",
        Target(
            f"{_BREAKS} / (deriv({_BREAKS}[$__range]) * -1 > 0)",
            f"{_PLACE}: {{{{resource}}}}",
            instant=True,
        ),
        unit="s",
        steps=((None, "red"), (_DAY, "orange"), (7 * _DAY, "green")),
        empty="not falling",
        width=5,
        height=6,
    ),
    stat(
        "Layers counted",
        "Share of the image layers that the figures rest on. Below 100 %, layers left mean 'at most' and the most links 'at least'.",
        Target(of_root("scan_coverage_ratio"), _PLACE, instant=True),
        unit="percentunit",
        steps=((None, "orange"), (1, "green")),
        words={1: ("all: figures are exact", "green")},
        width=5,
        height=6,
    ),
    table(
        "Alerts firing",
        "Our alerts of this host that fire now. Each has a runbook of the same name.",
        Target(
            f'ALERTS{{{HOST},root=~"$root|",alertname=~"Hardlink.+",alertstate="firing"}}',
            instant=True,
            table=True,
        ),
        columns={"severity": "Severity", "alertname": "Alert", "root": "Root", "driver": "Driver"},
        sort="Severity",
        empty="none",
        width=7,
        height=6,
    ),
)

WHY: Final = (
    timeseries(
        "Layers left by what runs out",
        "The lowest line runs out first. Lines across: the thresholds of the alerts on links and inodes."
        " The scale is logarithmic above 1. While a build goes on its half-made layer takes links too, so the line dips.",
        *with_doubt(of_root("layers_left"), f"{_PLACE}: {{{{resource}}}}", _AT_MOST),
        steps=LEFT_STEPS,
        custom=_SYMLOG,
        width=24,
        height=9,
    ),
    table(
        "Images with least left",
        "How many more layers can be stacked on each image; the 10 tagged images with least left by links"
        " (metrics.images of the configuration). Bars are full at 100. Images that share a file share its links:"
        " a layer on one takes from all. `hardlink-exporter scan` names the file.",
        *(
            Target(
                f"min without (resource) ({of_root('image_layers_left', resource=resource)})",
                instant=True,
                table=True,
            )
            for resource in ("links", "inodes")
        ),
        columns={
            "image": "Image",
            "root": "Root",
            "Value #A": "Left by links",
            "Value #B": "Left by inodes",
        },
        sort="Left by links",
        overrides=tuple(
            column(
                heading,
                {
                    "custom.cellOptions": {"type": "gauge", "mode": "basic"},
                    "thresholds": colours(LEFT_STEPS),
                    "color": {"mode": "thresholds"},
                    "min": 0,
                    "max": 100,
                },
            )
            for heading in ("Left by links", "Left by inodes")
        ),
        empty="no image can run out of links or inodes here, or metrics.images is 0",
        height=10,
    ),
    timeseries(
        "Most links of one file, against the limit",
        "How many hard links the fullest file has, and how many one file may have on this filesystem."
        " The next layer needs as many links as the file has names in the image, so builds fail before the lines meet:"
        " layers left know that, a percentage does not.",
        *with_doubt(of_root("links_max"), f"{_PLACE}: most links", "at least"),
        Target(of_root("links_limit"), f"{_PLACE}: limit"),
        overrides=(line("limit$", _LIMIT),),
        width=12,
        height=10,
    ),
    bars(
        "Files by number of links",
        "Distinct regular files of the chosen roots with more hard links than each bound.",
        *(
            Target(
                f"sum by (job, instance) ({of_root('inodes', links_over=str(bound))})",
                f"more than {bound:,}",
                instant=True,
            )
            for bound in LINKS_OVER
        ),
        empty="known once all layers are counted",
    ),
    timeseries(
        "Depth of the deepest image",
        "Layers from the base to the deepest image layer, and the most that the engine allows in one chain."
        " At the limit builds on that image fail with 'max depth exceeded'; others go on.",
        Target(of_root("layer_depth_max"), f"{_PLACE}: deepest"),
        Target(of_root("layer_depth_limit"), f"{_PLACE}: limit"),
        overrides=(line("limit$", _LIMIT),),
    ),
    timeseries(
        "Layers by kind",
        "Image layers, containers, BuildKit's, those being made or removed (partial), and those that nothing refers to (orphan).",
        Target(of_root("layers"), f"{_PLACE}: {{{{kind}}}}"),
        custom={"fillOpacity": 30, "stacking": {"mode": "normal", "group": "A"}},
    ),
    timeseries(
        "Layers given up",
        "Layers begun and given up, as a failed build step leaves them. A layer that was built again though it existed"
        " already looks the same, so take it as a hint.",
        Target(
            f"increase({of_root('failed_layers_total')}[$__rate_interval])",
            _PLACE,
        ),
        custom={"drawStyle": "bars", "fillOpacity": 80},
        width=12,
    ),
    timeseries(
        "Images",
        "Images, as `docker images` shows them.",
        Target(of_root("images"), _PLACE),
        width=12,
    ),
)

WHAT_TO_DO: Final = text(
    "",
    """\
1. **Look**: `hardlink-exporter scan` on the host lists the images with least left, and for each the file that
   decides and how many links and names it has.
2. **Win layers back**: remove images and containers that stand on the same base, `docker image prune` first. Every
   layer that goes gives its links back at once; watch *Layers left* rise.
3. **Spend fewer**: fewer steps in each Dockerfile, and no builds on the tightest images until then.
4. **End it**: move the host to `overlay2`, which links nothing. Images must be pulled or built again there.

Each alert's runbook tells more, and what to be careful of.
""",
)

TRUST: Final = (
    stat(
        "Exporter",
        "Whether Prometheus can scrape the exporter.",
        Target(of_host("up"), instant=True),
        steps=GOOD_IS_1,
        words={0: ("down", "red"), 1: ("up", "green")},
        width=3,
    ),
    stat(
        "Roots",
        "Whether the last look at each root gave figures.",
        Target(of_root("root_up"), "{{root}}", instant=True),
        steps=GOOD_IS_1,
        words={0: ("gives no figures", "red"), 1: ("read", "green")},
    ),
    stat(
        "Watch",
        "Whether changes are seen as they happen. By polling only, they are seen at the next look.",
        Target(of_root("watch_active"), "{{root}}", instant=True),
        steps=((None, "orange"), (1, "green")),
        words={0: ("polling only", "orange"), 1: ("as it happens", "green")},
    ),
    stat(
        "Configuration",
        "Whether the configuration could be read when it was last read; a bad file leaves the old one in force.",
        Target(of_host("hardlink_exporter_config_last_reload_successful"), instant=True),
        steps=GOOD_IS_1,
        words={0: ("refused", "red"), 1: ("in force", "green")},
    ),
    stat(
        "Problems",
        "What could not be told, in the newest report; the exporter's page names each.",
        Target(f"sum by (job, instance, root) ({of_root('problems')})", "{{root}}", instant=True),
        steps=GOOD_IS_0,
        words={0: ("none", "green")},
        empty="not known",
    ),
    stat(
        "Version",
        "The exporter's version and the Python it runs on.",
        Target(
            of_host("hardlink_exporter_build_info"), "{{version}}, Python {{python}}", instant=True
        ),
        show="name",
        width=5,
    ),
    timeseries(
        "Age of the figures",
        "Seconds since the figures were last known to be current: below a minute or so in a healthy daemon.",
        Target(f"time() - {of_root('scan_timestamp_seconds')}", _PLACE),
        unit="s",
    ),
    timeseries(
        "Layers counted over time",
        "Share of the image layers that the figures rest on.",
        Target(of_root("scan_coverage_ratio"), _PLACE),
        unit="percentunit",
        limits={"max": 1},
    ),
    timeseries(
        "Problems by reason",
        "Problems in the newest report.",
        Target(f"{of_root('problems')} > 0", "{{root}}: {{reason}}"),
        empty="none",
        custom={"drawStyle": "bars", "fillOpacity": 60},
    ),
    timeseries(
        "Watch events and overflows",
        "Events of the folders where the engine leaves its marks, and how often the kernel dropped some: all is then counted anew.",
        Target(f"rate({of_root('watch_events_total')}[$__rate_interval])", "{{root}}: events"),
        Target(
            f"rate({of_root('watch_overflows_total')}[$__rate_interval])", "{{root}}: overflows"
        ),
        unit="cps",
    ),
    timeseries(
        "Newest full pass",
        "How long the newest full pass over each root took. It runs at the lowest priority, about once a day.",
        Target(of_root("scan_duration_seconds"), _PLACE),
        unit="s",
    ),
    timeseries(
        "Age of the newest full pass",
        "Time since all layers were last counted anew.",
        Target(f"time() - {of_root('full_scan_timestamp_seconds')}", _PLACE),
        unit="s",
    ),
    timeseries(
        "CPU of the daemon",
        "Processor seconds a second of the process that answers; the workers that walk the roots are processes of their own.",
        Target(f"rate({of_host('process_cpu_seconds_total')}[$__rate_interval])", "CPU"),
        unit="percentunit",
    ),
    timeseries(
        "Memory of the daemon",
        "Resident memory of the process that answers, without its workers.",
        Target(of_host("process_resident_memory_bytes"), "resident"),
        unit="bytes",
    ),
)

HOST_DASHBOARD: Final = Dashboard(
    uid=UID,
    title="Hardlink / Host",
    description="How many more layers fit on one Docker host before hard links run out, and why.",
    variables=(
        Variable("job", "label_values(hardlink_exporter_build_info, job)"),
        Variable(
            "instance",
            'label_values(hardlink_exporter_build_info{job=~"$job"}, instance)',
            all=False,
        ),
        Variable("root", f"label_values(hardlink_root_up{{{HOST}}}, root)"),
    ),
    annotations=alert_marks(HOST),
    rows=(
        Row("Is anything about to stop on $instance?", ABOUT_TO_STOP, repeat="instance"),
        Row("When, and why, on $instance", WHY, repeat="instance"),
        Row("What to do", (WHAT_TO_DO,)),
        Row("Can these figures be trusted, on $instance?", TRUST, repeat="instance"),
    ),
    since="now-24h",
)
