"""What all commands share: their common flags, and how they say what a user can mend."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final

import click

from exporter.config import Config, load_config
from exporter.durations import seconds
from exporter.logs import FORMATS, LEVELS

DEFAULT_PORT: Final = 10650


# click would ask access(2) whether a path is readable, which takes no notice of a capability of a
# user who is not root; whoever opens the file says it better.
_COMMON: Final = (
    click.option(
        "--config.file",
        "config_file",
        type=click.Path(path_type=Path, readable=False),
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
        type=click.Path(
            path_type=Path, exists=True, file_okay=False, resolve_path=True, readable=False
        ),
        default="/",
        show_default=True,
        help="Where the host's / is seen, inside a container.",
    ),
)

Command = Callable[..., None]


def _seconds(context: click.Context, parameter: click.Parameter, value: str) -> float:
    try:
        read = seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None
    if not read:
        raise click.BadParameter("it should be greater than 0", context, parameter)
    return read


scan_timeout = click.option(
    "--scan.timeout",
    "timeout",
    callback=_seconds,
    metavar="DURATION",
    default="10m",
    show_default=True,
    help="Give up a root that makes no progress for this long, as on a dead mount.",
)
"""The flag of all commands that look at roots once."""


def common(command: Command) -> Command:
    """A command the flags that all commands take."""
    for option in reversed(_COMMON):
        command = option(command)
    return command


def absolute(
    _context: click.Context, _parameter: click.Parameter, roots: tuple[str, ...]
) -> tuple[str, ...]:
    """Make the ROOT arguments absolute, while the folder we were started in is surely there."""
    if "" in roots:
        raise click.BadParameter("it should not be empty")
    return tuple(os.path.abspath(root) for root in roots)


def version() -> str:
    """Tell this program's version."""
    return installed_version("hardlink-exporter")


def config_of(path: Path | None) -> Config:
    """Read the configuration, or take the defaults where no file is named. Raises ConfigError."""
    return Config() if path is None else load_config(path)
