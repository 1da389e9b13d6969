"""Of one host: is the exporter itself well, so that its figures can be relied on."""

from __future__ import annotations

from typing import Final

from boards.model import Target
from boards.panels import (
    GOOD_IS_0,
    GOOD_IS_1,
    stat,
    timeseries,
)
from boards.queries import (
    PLACE,
    of_host,
    of_root,
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
        Target(f"time() - {of_root('scan_timestamp_seconds')}", PLACE),
        unit="s",
    ),
    timeseries(
        "Layers counted over time",
        "Share of the image layers that the figures rest on.",
        Target(of_root("scan_coverage_ratio"), PLACE),
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
        Target(of_root("scan_duration_seconds"), PLACE),
        unit="s",
    ),
    timeseries(
        "Age of the newest full pass",
        "Time since all layers were last counted anew.",
        Target(f"time() - {of_root('full_scan_timestamp_seconds')}", PLACE),
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
