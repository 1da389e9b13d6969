"""What the pages say of the container is what there is; no engine is needed to see that."""

from __future__ import annotations

import re

import click
import pytest
from commands import all_commands
from shipped import PAGE, TOP, blocks

from exporter.commands.common import version

pytestmark = pytest.mark.tools

DOCKERFILE = (TOP / "deploy/Dockerfile").read_text()


def test_the_readme_and_the_page_give_the_same_command() -> None:
    assert blocks(PAGE, "docker run")[0] in blocks(TOP / "README.md", "docker run")


def test_every_flag_of_the_page_is_one_of_the_programs() -> None:
    has = {
        option
        for command in all_commands().values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    told = set(re.findall(r"--[a-z]+\.[a-z.-]+[a-z]", PAGE.read_text()))
    assert told
    assert told <= has


def test_every_script_of_the_page_is_there_and_every_script_is_on_the_page() -> None:
    told = set(re.findall(r"deploy/container/[\w-]+\.sh", PAGE.read_text()))
    assert told == {str(f.relative_to(TOP)) for f in (TOP / "deploy/container").glob("*.sh")}


def test_the_image_is_labelled_with_this_version() -> None:
    assert re.findall(r'image\.version="(.*)"', DOCKERFILE) == [version()]


def test_the_last_stage_is_empty_but_for_one_copy_at_its_end() -> None:
    last = re.findall(r"^[A-Z]+", DOCKERFILE.rpartition("FROM scratch\n")[2], re.MULTILINE)
    assert last[-1] == "COPY"
    assert not {"COPY", "ADD", "RUN", "WORKDIR"} & set(last[:-1])
