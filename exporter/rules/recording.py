"""Recording rules: a handful of series from which the fleet's panels are drawn."""

from __future__ import annotations

from exporter.config import Config
from exporter.rules.nouns import Group, Record


def recording_groups(config: Config) -> tuple[Group, ...]:
    """Give the groups of recording rules."""
    return (
        Group(
            "hardlink-recording",
            (
                Record(
                    "instance_root:hardlink_layers_left:min",
                    'min by (job, instance, root, driver) (hardlink_layers_left{resource=~"links|inodes"})',
                ),
            ),
            config.alerts.interval,
        ),
    )
