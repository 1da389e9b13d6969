"""Of one host: is anything about to stop, when, why, and what to do."""

from __future__ import annotations

from typing import Final

from boards.model import Target
from boards.panels import (
    bars,
    colours,
    column,
    lines,
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
    PLACE,
    of_root,
    with_doubt,
)
from exporter.model import LINKS_OVER

_DAY: Final = 86400
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
            f"{PLACE}: {{{{resource}}}}",
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
        "When none is left of what ends first, at the average pace of the time range shown at the top; empty while nothing falls."
        " A straight line through past builds: it knows nothing of what you will build or remove.",
        Target(
            f"bottomk by ({DRIVEN}) (1, {_BREAKS} / (deriv({_BREAKS}[$__range]) * -1 > 0))",
            f"{PLACE}: {{{{resource}}}}",
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
        Target(of_root("scan_coverage_ratio"), PLACE, instant=True),
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
