"""`serve`: the daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import click
import yaml

from exporter.commands.common import DEFAULT_PORT, StopError, absolute, common, config_of, version
from exporter.config import Config
from exporter.daemon.program import Daemon
from exporter.disk.files import BrokenFileError, read_small
from exporter.disk.roots import roots_of
from exporter.logs import logger, start_logging
from exporter.web.server import listen

_MOST_BYTES: Final = 1 << 20


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
    type=click.Path(path_type=Path),
    help="Web configuration file; TLS and authentication are not supported yet.",
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
    _refuse_web_config(web_config)
    if not metrics_path.startswith("/") or metrics_path == "/":
        raise StopError("--web.telemetry-path: it should begin with / and be more than that")
    if check:
        _say_in_force(config_of(config_file), root, rootfs, addresses)
        return
    daemon = Daemon(lambda: config_of(config_file), root, rootfs, version())
    sockets = [listen(address) for address in addresses]
    logger().info("listening", addresses=" ".join(addresses), version=version())
    asyncio.run(daemon.run(sockets, metrics_path))


def _refuse_web_config(path: Path | None) -> None:
    if path is None:
        return
    try:
        lines = read_small(path, _MOST_BYTES, follow=True).splitlines()
    except OSError as error:
        raise StopError(f"{path}: cannot be read: {error.strerror}") from None
    except BrokenFileError as error:
        raise StopError(f"{path}: {error}") from None
    if any(line.strip() and not line.lstrip().startswith(b"#") for line in lines):
        raise StopError(
            f"{path}: web configuration is not supported by this version; leave the file empty"
        )


def _say_in_force(
    config: Config, named: tuple[str, ...], rootfs: Path, addresses: tuple[str, ...]
) -> None:
    roots = roots_of(named or config.roots, rootfs, config.links_limits)
    told = config.model_dump(mode="json") | {"roots": [r.path for r in roots]}
    click.echo("# configuration in force" + ("" if roots else "; no root was found yet"))
    click.echo(yaml.safe_dump(told, sort_keys=False), nl=False)
    click.echo(f"# listen addresses: {' '.join(addresses)}")
