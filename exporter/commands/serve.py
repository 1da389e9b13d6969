"""`serve`: the daemon."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

import click
import yaml

from exporter.commands.common import DEFAULT_PORT, absolute, common, config_of, version
from exporter.config import Config
from exporter.daemon.program import MOST_REQUESTS, Daemon
from exporter.disk.roots import named_roots
from exporter.errors import UserError
from exporter.logs import logger, start_logging
from exporter.oneshot.looks import Host, find_roots
from exporter.web.rotation import WebSettings
from exporter.web.sockets import inherited, listen, shown

_SEARCH_SECONDS: Final = 60.0
"""How long `--config.check` waits for a place where a root may lie to answer."""


@click.command()
@click.argument("root", nargs=-1, callback=absolute)
@click.option(
    "--web.listen-address",
    "addresses",
    multiple=True,
    default=(f":{DEFAULT_PORT}",),
    show_default=True,
    help="Address to listen on; may be given again.",
)
@click.option(
    "--web.config.file",
    "web_config",
    type=click.Path(path_type=Path, readable=False),  # as in common.py
    help="Web configuration file: TLS, HTTP/2, headers, basic authentication.",
)
@click.option(
    "--web.systemd-socket",
    "activated",
    is_flag=True,
    help="Listen on the sockets that systemd hands over, instead of addresses.",
)
@click.option(
    "--web.max-requests",
    "most_requests",
    type=click.IntRange(min=0),
    default=MOST_REQUESTS,
    show_default=True,
    help="Most scrapes at once; 0 is no limit.",
)
@click.option(
    "--web.telemetry-path",
    "metrics_path",
    default="/metrics",
    show_default=True,
    help="Path of the metrics.",
)
@click.option(
    "--config.check",
    "check",
    is_flag=True,
    help="Read all configuration, say what is in force, and exit.",
)
@common
def serve(
    root: tuple[str, ...],
    addresses: tuple[str, ...],
    web_config: Path | None,
    activated: bool,
    most_requests: int,
    metrics_path: str,
    check: bool,
    config_file: Path | None,
    log_level: str,
    log_format: str,
    rootfs: Path,
) -> None:
    """Watch storage roots and serve metrics.

    Each ROOT replaces those of the configuration; with neither, they are found.
    """
    start_logging(log_level, log_format)
    if not metrics_path.startswith("/") or metrics_path == "/":
        raise UserError("--web.telemetry-path: it should begin with / and be more than that")
    settings = WebSettings(web_config)
    named_roots(root, rootfs, {})  # tells what is wrong with their names
    if check:
        _say_in_force(config_of(config_file), root, rootfs, addresses)
        if web_config is not None:
            click.echo(f"# web: {settings.in_force.words}")
        return
    daemon = Daemon(lambda: config_of(config_file), root, rootfs, version())
    sockets = inherited(os.environ) if activated else [listen(address) for address in addresses]
    logger().info(
        "listening",
        addresses=" ".join(shown(s) for s in sockets) if activated else " ".join(addresses),
        web=settings.in_force.words,
        version=version(),
    )
    asyncio.run(daemon.run(sockets, metrics_path, settings, most_requests))


def _say_in_force(
    config: Config, named: tuple[str, ...], rootfs: Path, addresses: tuple[str, ...]
) -> None:
    host = Host(named or config.roots, rootfs, config.links_limits)
    roots = find_roots(host, _SEARCH_SECONDS)
    told = config.model_dump(mode="json") | {"roots": [root.path for root in roots]}
    click.echo("# configuration in force" + ("" if roots else "; no root was found yet"))
    click.echo(yaml.safe_dump(told, sort_keys=False), nl=False)
    click.echo(f"# listen addresses: {' '.join(addresses)}")
