"""The command line: reads flags, wires the parts together, and speaks plainly when it cannot."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final, NoReturn

import click
import yaml
from rich.console import Console

from exporter import demo as demo_root
from exporter.config import Config, ConfigError, Scan, load_config
from exporter.daemon import Daemon, roots_of
from exporter.logs import FORMATS, LEVELS, logger, start_logging
from exporter.metrics import View, to_text
from exporter.model import Reports, Root
from exporter.report import to_json
from exporter.roots import RootsError
from exporter.scan import scan_root
from exporter.table import print_table
from exporter.web import DEFAULT_PORT, ListenError, listen

WRONG: Final = 2
"""Exit code of wrong usage, wrong configuration, a root that gave nothing, an unexpected error."""

_INTERRUPTED: Final = 130
_DEMO_INTERVAL: Final = 0.3
_DEMO_STEP: Final = 1.0


class StopError(Exception):
    """Something a user can mend. The text is one clear sentence."""


_COMMON: Final = (
    click.option(
        "--config.file",
        "config_file",
        type=click.Path(path_type=Path),
        help="YAML configuration file.",
    ),
    click.option(
        "--log.level",
        "log_level",
        type=click.Choice(list(LEVELS)),
        default="info",
        show_default=True,
        help="Least severe events to log.",
    ),
    click.option(
        "--log.format",
        "log_format",
        type=click.Choice(list(FORMATS)),
        default="logfmt",
        show_default=True,
        help="Form of the log, on stderr.",
    ),
    click.option(
        "--path.rootfs",
        "rootfs",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        default="/",
        show_default=True,
        help="Where the host's / is seen, inside a container.",
    ),
)

Command = Callable[..., None]


def common(command: Command) -> Command:
    """Give a command the flags that all commands take."""
    for option in reversed(_COMMON):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version("hardlink-exporter"), prog_name="hardlink-exporter")
def cli() -> None:
    """Tell how many more layers fit on each Docker image before hard links run out."""


@cli.command()
@click.argument("root", nargs=-1)
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
        _say_in_force(_config(config_file), root, rootfs.absolute(), addresses)
        return
    daemon = Daemon(lambda: _config(config_file), root, rootfs.absolute(), _version())
    sockets = [listen(address) for address in addresses]
    logger().info("listening", addresses=" ".join(addresses), version=_version())
    asyncio.run(daemon.run(sockets, metrics_path))


@cli.command()
@click.argument("root", nargs=-1)
@click.option(
    "--output",
    "output",
    type=click.Choice(["table", "json", "metrics"]),
    help="Form of the answer.  [default: table on a terminal, else json]",
)
@click.option(
    "--output.file",
    "output_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write instead, all at once (for a textfile collector).",
)
@common
def scan(
    root: tuple[str, ...],
    output: str | None,
    output_file: Path | None,
    config_file: Path | None,
    log_level: str,
    log_format: str,
    rootfs: Path,
) -> None:
    """Look at storage roots once, tell what was found, and exit.

    Exits with 2 when a root gave nothing, after telling what the others gave.
    """
    start_logging(log_level, log_format)
    config = _config(config_file)
    roots = roots_of(config, root, rootfs.absolute())
    if not roots:
        raise StopError(
            "no storage root was found on this host; name one, as in: scan /var/lib/docker"
        )
    reports = [r for one in roots for r in scan_root(one, rootfs.absolute())]
    form = output or ("table" if output_file is None and sys.stdout.isatty() else "json")
    if output_file is None and form == "table":
        print_table(reports, config.thresholds, Console())
    else:
        _write(_rendered(reports, config, form), output_file)
    _refuse_empty(roots, reports)


@cli.command()
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
    config = _config(config_file)
    sockets = [listen(address)]
    with tempfile.TemporaryDirectory(prefix="hardlink-exporter-demo-") as folder:
        path = str(Path(folder).resolve() / "docker")
        settings = config.model_copy(
            update={
                "links_limits": {path: demo_root.LINKS_LIMIT},
                "scan": Scan(interval=_DEMO_INTERVAL),
            }
        )
        growth = demo_root.Growth(Path(path), click.echo)
        click.echo(
            f"demo root: {path}\n"
            f"its own links limit, for the demo: {demo_root.LINKS_LIMIT} (ext4 has 65000)\n"
            f"look at http://{address}/ and http://{address}/metrics; Ctrl-C ends the demo"
        )
        growth.start(_DEMO_STEP)
        try:
            daemon = Daemon(lambda: settings, (path,), Path("/"), _version())
            asyncio.run(daemon.run(sockets, "/metrics"))
        finally:
            growth.stop()


def _version() -> str:
    return installed_version("hardlink-exporter")


def _config(path: Path | None) -> Config:
    return Config() if path is None else load_config(path)


def _refuse_web_config(path: Path | None) -> None:
    if path is None:
        return
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise StopError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError:
        raise StopError(f"{path}: is not YAML") from None
    if document is not None:
        raise StopError(
            f"{path}: web configuration is not supported by this version; leave the file empty"
        )


def _say_in_force(
    config: Config, named: tuple[str, ...], rootfs: Path, addresses: tuple[str, ...]
) -> None:
    roots = roots_of(config, named, rootfs)
    told = config.model_dump(mode="json") | {"roots": [r.path for r in roots]}
    click.echo("# configuration in force" + ("" if roots else "; no root was found yet"))
    click.echo(yaml.safe_dump(told, sort_keys=False), nl=False)
    click.echo(f"# listen addresses: {' '.join(addresses)}")


def _rendered(reports: Reports, config: Config, form: str) -> str:
    if form == "json":
        return to_json(reports)
    if form == "metrics":
        return to_text(View(reports, _version(), config.metrics.images))
    console = Console(width=160, color_system=None)
    with console.capture() as captured:
        print_table(reports, config.thresholds, console)
    return captured.get()


def _write(text: str, path: Path | None) -> None:
    """Write to stdout, or to a file that appears whole or not at all."""
    if path is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(fd, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise StopError(f"{path}: cannot be written: {error.strerror}") from None


def _refuse_empty(roots: tuple[Root, ...], reports: Reports) -> None:
    up = {report.root for report in reports if report.up}
    for root in roots:
        if root.path not in up:
            why = next(p.what for r in reports if r.root == root.path for p in r.problems)
            raise StopError(f"{root.path}: {why}")


def main() -> NoReturn:
    """Run the command line; whatever goes wrong is one sentence and an exit code."""
    code = 0
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = WRONG
    except (StopError, ConfigError, ListenError, RootsError) as error:
        click.echo(f"hardlink-exporter: {error}", err=True)
        code = WRONG
    except (click.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = WRONG
    except Exception as error:  # noqa: BLE001  (the one border where a bug becomes a sentence)
        click.echo(
            f"hardlink-exporter: unexpected error: {type(error).__name__}: {error}", err=True
        )
        code = WRONG
    sys.exit(code)
