"""All rules, in the order of the file."""

from __future__ import annotations

from exporter.config import Config
from exporter.rules.health import health_groups
from exporter.rules.nouns import Group
from exporter.rules.recording import recording_groups
from exporter.rules.running_out import running_out_groups


def all_groups(config: Config) -> tuple[Group, ...]:
    """Every group of rules, with the values of this configuration."""
    return (*running_out_groups(config), *health_groups(config), *recording_groups(config))
