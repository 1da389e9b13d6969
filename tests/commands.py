"""The commands of the program, for what is said of them in documents."""

from __future__ import annotations

import click

from exporter.cli import cli


def all_commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}
