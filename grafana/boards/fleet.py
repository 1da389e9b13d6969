"""The dashboard of all hosts: it reads recorded series alone, a handful however many hosts there are."""

from __future__ import annotations

from typing import Final

from boards.fleet_figures import ABOUT_TO_STOP, JOB, STACKED, WHEN, in_trouble, recorded
from boards.looks import CALM
from boards.model import Dashboard, Row, Target, Variable
from boards.panels import stat, timeseries
from boards.queries import alert_marks

UID: Final = "hardlink-fleet"

TRUST: Final = (
    in_trouble(
        "Roots down",
        "Roots whose last look gave no figures, as the exporters that answer tell.",
        "job:hardlink_roots_down:sum",
    ),
    in_trouble(
        "Stale",
        "Roots whose figures were last known to be current too long ago (alerts.stale_after and alerts.stale_for of the configuration together).",
        "job:hardlink_roots_stale:sum",
    ),
    in_trouble(
        "Incomplete",
        "Roots of which not all layers are counted: their layers left mean 'at most'.",
        "job:hardlink_roots_incomplete:sum",
    ),
    in_trouble(
        "By polling only",
        "Roots whose changes are not seen as they happen.",
        "job:hardlink_watches_lost:sum",
    ),
    in_trouble(
        "Problems",
        "What could not be told, in all newest reports.",
        "job_reason:hardlink_problems:sum",
    ),
    stat(
        "Exporters",
        "Exporters that Prometheus knows, whether they answer or not.",
        Target(f"sum({recorded('job:hardlink_exporters:count')})", instant=True),
        steps=CALM,
    ),
    timeseries(
        "Down, stale, incomplete",
        "Those whose figures are missing or not to be relied on.",
        *(
            Target(f"sum({recorded(name)})", legend)
            for name, legend in (
                ("job:hardlink_exporters_down:sum", "exporters down"),
                ("job:hardlink_roots_down:sum", "roots down"),
                ("job:hardlink_roots_stale:sum", "stale"),
                ("job:hardlink_roots_incomplete:sum", "incomplete"),
                ("job:hardlink_watches_lost:sum", "by polling only"),
            )
        ),
    ),
    timeseries(
        "Problems by reason",
        "Problems in the newest reports of all roots.",
        Target(f"sum by (reason) ({recorded('job_reason:hardlink_problems:sum')})", "{{reason}}"),
    ),
    timeseries(
        "Versions",
        "Exporters by version.",
        Target(
            f"sum by (version) ({recorded('job_version:hardlink_exporters:count')})", "{{version}}"
        ),
        custom=STACKED,
    ),
)

FLEET_DASHBOARD: Final = Dashboard(
    uid=UID,
    title="Hardlink / Fleet",
    description="Which Docker hosts of the fleet run out of hard links, and which exporters not to rely on."
    " It needs the recording rules of deploy/prometheus/rules.yml.",
    variables=(Variable("job", "label_values(job:hardlink_roots:count, job)"),),
    annotations=alert_marks(JOB),
    rows=(
        Row("Is anything about to stop?", ABOUT_TO_STOP),
        Row("Since when, and the way out", WHEN),
        Row("Can these figures be trusted?", TRUST),
    ),
    since="now-6h",
)

LINT: Final = {
    "exclusions": {
        "template-instance-rule": {
            "reason": "The fleet's panels read recorded series, most of which have no instance.",
            "entries": [{"dashboard": FLEET_DASHBOARD.title}],
        },
        "target-instance-rule": {
            "reason": "The fleet's panels read recorded series, most of which have no instance.",
            "entries": [
                {"dashboard": FLEET_DASHBOARD.title, "panel": panel.title}
                for panel in FLEET_DASHBOARD.panels
            ],
        },
    }
}
"""What the fleet's dashboard asks to be excused from by grafana/dashboard-linter (its file `.lint`)."""
