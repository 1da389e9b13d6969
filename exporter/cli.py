"""The command line: one sentence and an exit code for whatever goes wrong."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Final, NoReturn

import click

from exporter.commands.common import version
from exporter.commands.output import guard_streams
from exporter.errors import UserError
from exporter.text import one_line

COMMANDS: Final = ("serve", "scan", "rules", "demo")
"""The commands, each in the module of `exporter.commands` that has its name."""

WRONG: Final = 2
"""Exit code of wrong usage, wrong configuration, a root that gave nothing, an unexpected error."""

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""


class _Commands(click.Group):
    """The commands, each loaded when it is called: `scan` need not wait for the web server's parts."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's own)
        """Name all commands."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  (click's own)
        cmd_name: str,
    ) -> click.Command | None:
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"exporter.commands.{cmd_name}"), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="hardlink-exporter")
def cli() -> None:
    """How many more layers fit on each Docker image before hard links run out."""


def main() -> NoReturn:
    """Run the command line; whatever goes wrong is one sentence and an exit code."""
    code = 0
    guard_streams()
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    try:
        with cli.make_context("hardlink-exporter", sys.argv[1:]) as context:
            cli.invoke(context)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.Exit as ended:
        code = ended.exit_code
    except click.ClickException as error:
        _say(error.show)
        code = WRONG
    except UserError as error:
        _complain(str(error))
        code = WRONG
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough of it
        code = WRONG
    except Exception as error:  # noqa: BLE001  (the one border where a bug is told, not raised)
        _complain(f"unexpected error: {type(error).__name__}: {error}")
        code = WRONG
    _forget_broken_streams()
    sys.exit(code)


def _complain(what: str) -> None:
    _say(lambda: click.echo(f"hardlink-exporter: {one_line(what)}", err=True))


def _say(speak: Callable[[], object]) -> None:
    with suppress(OSError, ValueError, AttributeError):  # there may be nobody to hear it
        speak()


def _forget_broken_streams() -> None:
    """Let the interpreter's last flush fail silently where the other end is gone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
