"""The README and its like name what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import click
import yaml
from commands import all_commands

from exporter.config import Config, parse_config
from exporter.disk.limits import FILESYSTEMS
from exporter.model import Reason
from exporter.telling.catalogue import CATALOGUE

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text()


def table_rows(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]


ROWS = {row[0].strip("`"): row for row in table_rows(README)}


def test_every_metric_is_in_the_readme_with_its_labels_and_help() -> None:
    told = {name: row[1:] for name, row in ROWS.items() if name.startswith("hardlink_")}
    assert told.keys() == {f"hardlink_{gauge.name}" for gauge in CATALOGUE}
    for gauge in CATALOGUE:
        labels, text = told[f"hardlink_{gauge.name}"]
        further = re.findall(r"`(\w+)`", labels.partition("(")[0])
        assert further == [x for x in gauge.labels if x not in ("root", "driver")]
        assert text == gauge.help


def test_every_flag_of_every_command_is_in_the_readme_and_no_other() -> None:
    has = {
        option
        for command in all_commands().values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    told = set(re.findall(r"--[a-z]+\.[a-z.-]+[a-z]", README)) | {"--output"}
    assert told >= has - {"--help"}
    assert told <= has | {"--storage-driver"}


def test_the_configuration_in_the_readme_is_the_default_with_every_key() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert parse_config(text.encode(), "README.md") == Config()
    told = yaml.safe_load(text)
    keys = Config().model_dump(mode="json")
    assert told.keys() == keys.keys()
    for name, value in keys.items():
        if isinstance(value, dict):
            assert told[name].keys() == value.keys()


def test_every_reason_and_every_filesystem_is_in_the_readme() -> None:
    assert {str(reason) for reason in Reason} <= ROWS.keys()
    told = {name: ROWS[name][1:] for name in FILESYSTEMS}
    assert told == {
        name: ["no limit" if row.links is None else str(row.links), row.source]
        for name, row in FILESYSTEMS.items()
    }


def test_every_link_to_a_file_leads_somewhere() -> None:
    for page in (
        TOP / "README.md",
        *(TOP / ".github").glob("*.md"),
        *(TOP / "grafana").glob("*.md"),
    ):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), target
