"""`demo`: a root of our own runs out of links, for a newcomer to watch."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from exporter.commands.common import DEFAULT_PORT, common, config_of, version
from exporter.config import Scan
from exporter.daemon.program import Daemon
from exporter.demo.growth import LINKS_LIMIT, Growth
from exporter.logs import start_logging
from exporter.web.sockets import listen

_INTERVAL: Final = 0.3
_STEP: Final = 1.0


@click.command()
@click.option(
    "--web.listen-address",
    "address",
    default=f"127.0.0.1:{DEFAULT_PORT}",
    show_default=True,
    help="Address to listen on.",
)
@common
def demo(
    address: str, config_file: Path | None, log_level: str, log_format: str, rootfs: Path
) -> None:
    """Watch a small root of our own run out of links, to see what this program shows.

    It needs neither Docker nor root, and removes what it made when it ends.
    """
    start_logging(log_level, log_format)
    del rootfs  # the demo's root is our own
    config = config_of(config_file)
    sockets = [listen(address)]
    with tempfile.TemporaryDirectory(prefix="hardlink-exporter-demo-") as folder:
        path = str(Path(folder).resolve() / "docker")
        settings = config.model_copy(
            update={
                "links_limits": {path: LINKS_LIMIT},
                "scan": Scan(interval=_INTERVAL),
            }
        )
        growth = Growth(Path(path), _say)
        host, _, port = address.rpartition(":")
        shown = f"{host or '127.0.0.1'}:{port}"
        _say(
            f"demo root: {path}\n"
            f"its own links limit, for the demo: {LINKS_LIMIT} (ext4 has 65000)\n"
            f"look at http://{shown}/ and http://{shown}/metrics; Ctrl-C ends the demo"
        )
        growth.start(_STEP)
        try:
            daemon = Daemon(lambda: settings, (path,), Path("/"), version())
            asyncio.run(daemon.run(sockets, "/metrics"))
        finally:
            growth.stop()


def _say(line: str) -> None:
    with suppress(OSError):  # the demo goes on when whoever read it has gone
        click.echo(line)
