"""The dashboard of one host."""

from __future__ import annotations

from typing import Final

from boards.host_figures import ABOUT_TO_STOP, WHAT_TO_DO, WHY
from boards.host_trust import TRUST
from boards.model import Dashboard, Row, Variable
from boards.queries import HOST, alert_marks

UID: Final = "hardlink-host"

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
