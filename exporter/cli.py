"""The command line: one sentence and an exit code for whatever goes wrong."""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

import click

from exporter.commands.common import StopError, version
from exporter.commands.demo import demo
from exporter.commands.scan import scan
from exporter.commands.serve import serve
from exporter.config import ConfigError
from exporter.roots import RootsError
from exporter.web import ListenError

WRONG: Final = 2
"""Exit code of wrong usage, wrong configuration, a root that gave nothing, an unexpected error."""

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="hardlink-exporter")
def cli() -> None:
    """Tell how many more layers fit on each Docker image before hard links run out."""


for _command in (serve, scan, demo):
    cli.add_command(_command)


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
        code = INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = WRONG
    except Exception as error:  # noqa: BLE001  (the one border where a bug is told, not raised)
        click.echo(
            f"hardlink-exporter: unexpected error: {type(error).__name__}: {error}", err=True
        )
        code = WRONG
    sys.exit(code)
