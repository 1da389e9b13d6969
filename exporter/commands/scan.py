"""`scan`: one pass, then exit."""

from __future__ import annotations

from pathlib import Path

import click

from exporter.commands.answers import Looks, answer_for, reports_of
from exporter.commands.bars import Bars
from exporter.commands.common import absolute, common, config_of, scan_timeout
from exporter.errors import UserError
from exporter.logs import start_logging
from exporter.looking.scan import scan_root
from exporter.oneshot.looks import Host, look_at


@click.command()
@click.argument("root", nargs=-1, callback=absolute)
@click.option(
    "--output",
    "output",
    type=click.Choice(["table", "json", "metrics"]),
    help="Form of the answer.  [default: table on a terminal, else json]",
)
@click.option(
    "--output.file",
    "output_file",
    type=click.Path(path_type=Path),
    help="File to write instead, all at once (for a textfile collector).",
)
@scan_timeout
@common
def scan(
    root: tuple[str, ...],
    output: str | None,
    output_file: Path | None,
    timeout: float,
    config_file: Path | None,
    log_level: str,
    log_format: str,
    rootfs: Path,
) -> None:
    """Look at storage roots once, tell what was found, and exit.

    Exits with 2 when a root gave nothing, after telling what the others gave.
    """
    start_logging(log_level, log_format)
    config = config_of(config_file)
    answer = answer_for(output, output_file, config)
    host = Host(root or config.roots, rootfs, config.links_limits)
    with Bars() as bars:

        def meanwhile(known: Looks) -> None:
            with bars.hidden():
                answer.tell(known, final=False)

        looks = look_at(host, scan_root, timeout, bars.show, meanwhile)
    if not looks:
        raise UserError(
            "no storage root was found on this host; name one, as in: scan /var/lib/docker"
        )
    answer.tell(looks, final=True)
    _refuse_empty(looks)


def _refuse_empty(looks: Looks) -> None:
    """Raise UserError for the first root that gave nothing."""
    for look in looks:
        reports = reports_of(look)
        if not any(report.up for report in reports):
            why = next(problem.what for report in reports for problem in report.problems)
            raise UserError(f"{look.root.path}: {why}")
