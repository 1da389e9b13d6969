"""`rules`: the alerting and recording rules, with the values of the configuration."""

from __future__ import annotations

from pathlib import Path

import click

from exporter.commands.common import common, config_of
from exporter.commands.output import write_stdout
from exporter.logs import start_logging
from exporter.rules.book import all_groups
from exporter.rules.render import to_yaml


@click.command()
@common
def rules(config_file: Path | None, log_level: str, log_format: str, rootfs: Path) -> None:
    """Print Prometheus' alerting and recording rules, with this configuration's thresholds.

    Load them as one of Prometheus' rule_files.
    """
    start_logging(log_level, log_format)
    del rootfs  # rules look at no root
    write_stdout(to_yaml(all_groups(config_of(config_file))))
