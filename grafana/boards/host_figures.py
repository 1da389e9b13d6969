"""Of one host: is anything about to stop, when, why, and what to do."""

from __future__ import annotations

from typing import Final

from boards.looks import LEFT_STEPS, LEFT_WORDS, lines, scarcity
from boards.model import Target
from boards.panels import bars, stat, table, text, timeseries
from boards.queries import (
    DRIVEN,
    HOST,
    PLACE,
    RUNBOOK,
    of_root,
    with_doubt,
)
from exporter.alerting import RUNBOOKS
from exporter.model import LINKS_OVER

_DAY: Final = 86400
_AT_MOST: Final = "at most"
_BREAKS: Final = of_root("layers_left", resource="~links|inodes")
"""What ends in failing builds on any image: depth ends those on one image alone."""

_COUNTED: Final = f"{_BREAKS} and on ({DRIVEN}) {of_root('full_scan_timestamp_seconds')}"
"""From the end of the first full pass on: the figures before it fall without any build."""

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
            f"{PLACE}: {{{{resource}}}}",
            _AT_MOST,
            instant=True,
        ),
        steps=LEFT_STEPS,
        words=LEFT_WORDS,
        empty="no figure: the exporter or the root is down, only depth can run out, or the links limit is unknown",
        width=7,
        height=6,
    ),
    stat(
        "Runs out in",
        "When none is left of what ends first, at the average pace of the time range shown at the top, from the first full pass on."
        " A straight line through past builds: it knows nothing of what you will build or remove. Sooner, where not all layers are counted.",
        Target(
            f"bottomk by ({DRIVEN}) (1,"
            f" {_BREAKS} / (deriv(({_COUNTED})[$__range:]) * -1 > 0) or {_BREAKS} == 0)",
            f"{PLACE}: {{{{resource}}}}",
            instant=True,
        ),
        unit="s",
        steps=((None, "red"), (_DAY, "orange"), (7 * _DAY, "green")),
        words={0: ("none is left", "red")},
        empty="not falling",
        width=5,
        height=6,
    ),
    stat(
        "Layers counted",
        "Share of the image layers that the figures rest on. Below 100 %, layers left mean 'at most' and the most links 'at least'.",
        Target(of_root("scan_coverage_ratio"), PLACE, instant=True),
        unit="percentunit",
        steps=((None, "orange"), (1, "green")),
        words={1: ("all", "green")},
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
        overrides=(RUNBOOK,),
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
        *with_doubt(of_root("layers_left"), f"{PLACE}: {{{{resource}}}}", _AT_MOST),
        steps=LEFT_STEPS,
        custom=_SYMLOG,
        width=24,
        height=9,
    ),
    table(
        "Images with least left",
        "How many more layers can be stacked on each image; the 10 tagged images with least left by links"
        " (metrics.images of the configuration). Bars are full at 100. Images that share a file share its links:"
        " a layer on one takes from all. `hardlink-exporter scan` names the file. At most, while not all layers are counted.",
        Target(of_root("image_layers_left"), instant=True),
        columns={
            "image": "Image",
            "root": "Root",
            "links": "Left by links",
            "inodes": "Left by inodes",
        },
        spread="resource",
        sort="Left by links",
        overrides=(scarcity("Left by links"), scarcity("Left by inodes")),
        empty="no image can run out of links or inodes here, or metrics.images is 0",
        height=10,
    ),
    timeseries(
        "Most links of one file, against the limit",
        "How many hard links the fullest file has, and how many one file may have on this filesystem."
        " The next layer needs as many links as the file has names in the image, so builds fail before the lines meet:"
        " layers left know that, a percentage does not.",
        *with_doubt(of_root("links_max"), f"{PLACE}: most links", "at least"),
        Target(of_root("links_limit"), f"{PLACE}: limit"),
        overrides=(lines("limit$", _LIMIT),),
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
        Target(of_root("layer_depth_max"), f"{PLACE}: deepest"),
        Target(of_root("layer_depth_limit"), f"{PLACE}: limit"),
        overrides=(lines("limit$", _LIMIT),),
    ),
    timeseries(
        "Layers by kind",
        "Image layers, containers, BuildKit's, those being made or removed (partial), and those that nothing refers to (orphan).",
        Target(of_root("layers"), f"{PLACE}: {{{{kind}}}}"),
        custom={"fillOpacity": 30, "stacking": {"mode": "normal", "group": "A"}},
    ),
    timeseries(
        "Layers given up",
        "Layers begun and given up, as a failed build step leaves them. A layer that was built again though it existed"
        " already looks the same, so take it as a hint.",
        Target(
            f"increase({of_root('failed_layers_total')}[$__rate_interval])",
            PLACE,
        ),
        custom={"drawStyle": "bars", "fillOpacity": 80},
        field={"decimals": 0},
        width=12,
    ),
    timeseries(
        "Images",
        "Images, as `docker images` shows them.",
        Target(of_root("images"), PLACE),
        width=12,
    ),
)

WHAT_TO_DO: Final = text(
    "",
    f"""\
1. **Look**: `hardlink-exporter scan` on the host lists the images with least left, and for each the file that
   decides and how many links and names it has.
2. **Win layers back**: remove containers and images that nobody needs, first those named above and what is built on
   them. Every layer that goes gives its links back at once; watch *Layers left* rise.
3. **Spend fewer**: build with BuildKit, which links nothing; fewer steps in each Dockerfile.
4. **End it**: move the host to `overlay2`. Images must be pulled or loaded again there.

Each alert has a [runbook]({RUNBOOKS}) that tells more, and what to be careful of.
""",
)
