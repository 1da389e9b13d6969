"""The runbooks: one for each alert, and nothing in them that does not exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest
from commands import all_commands
from conftest import need_engine
from engine import engine, tar
from needs import need_program

from exporter.alerting import Alerts
from exporter.config import Config
from exporter.model import Reason
from exporter.rules.book import all_groups
from exporter.rules.nouns import Alert

FOLDER = Path(__file__).parent.parent.parent / "deploy/runbooks"
README = (FOLDER.parent.parent / "README.md").read_text()
PAGES = {page.stem: page.read_text() for page in sorted(FOLDER.glob("*.md"))}

ALERTS = [rule for group in all_groups(Config()) for rule in group.rules if isinstance(rule, Alert)]


def commands(text: str) -> list[list[str]]:
    """The commands in a text's code, each as its words; a pipe or `&&` begins another."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = [line for block in blocks for line in block.splitlines()] + spans
    parts = [part for line in lines for part in re.split(r" (?:\||&&) ", line)]
    ours = ("hardlink-exporter ", "docker ", "DOCKER_BUILDKIT=1 docker ")
    return [
        shlex.split(part.removeprefix("DOCKER_BUILDKIT=1 "))
        for part in parts
        if part.startswith(ours)
    ]


def commands_of(program: str) -> list[list[str]]:
    texts = [*PAGES.values()]
    for alert in ALERTS:
        texts += [re.sub(r"{{.*?}}", "/root", alert.description), alert.action]
    texts = [re.sub(r"{{ \$labels.root }}", "/root", text) for text in texts]
    return [words[1:] for text in texts for words in commands(text) if words[0] == program]


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert PAGES.keys() == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("name", PAGES)
def test_a_runbook_says_what_it_means_what_it_does_how_to_see_it_and_what_to_do(name: str) -> None:
    text = re.sub(r"```.*?```", "", PAGES[name], flags=re.DOTALL)
    headings = re.findall(r"^#+ .*", text, re.MULTILINE)
    assert headings == [
        f"# {name}",
        *("## Meaning", "## Impact", "## Diagnosis", "## Mitigation"),
    ]
    for part in re.split(r"^## .*\n", text, flags=re.MULTILINE)[1:]:
        assert len(part.split()) >= 8, part


def test_every_command_of_ours_in_a_runbook_or_an_alert_is_a_real_one_with_real_flags() -> None:
    found = commands_of("hardlink-exporter")
    assert len(found) > len(ALERTS)
    for command, *words in found:
        all_commands()[command].make_context(command, words)


@cache
def docker_help(*command: str) -> str:
    done = subprocess.run(
        ["docker", *command, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert " ".join(command) in done.stdout, f"docker has no command {command}"
    return done.stdout


@pytest.mark.tools
def test_every_command_of_dockers_in_a_runbook_is_a_real_one_with_real_flags() -> None:
    need_program("docker")
    found = commands_of("docker")
    assert len(found) > 20
    for words in found:
        nouns = {"image", "container", "volume"}
        command = words[: 2 if words[0] in nouns and len(words) > 1 else 1]
        told = docker_help(*command)
        for flag in (word.partition("=")[0] for word in words if word.startswith("--")):
            assert re.search(rf"{flag}\b", told), f"docker {' '.join(words)}: {flag}"


def test_who_is_told_to_prune_containers_is_told_how_to_keep_what_they_hold() -> None:
    pruning = [name for name, text in PAGES.items() if "docker container prune" in text]
    assert len(pruning) >= 3
    for name in pruning:
        assert "deletes what" in PAGES[name], name
        assert ["export", "--output", "container.tar", "CONTAINER"] in [
            words[1:] for words in commands(PAGES[name])
        ], name


def test_every_parameter_reason_and_link_in_a_runbook_is_there() -> None:
    for name, text in PAGES.items():
        for key in re.findall(r"`alerts\.(\w+)`", text):
            assert key in Alerts.model_fields, f"{name}: {key}"
        for target, anchor in re.findall(r"\]\(([^)#]+)(?:#(\w+))?\)", text):
            assert f"## {anchor.capitalize()}" in (FOLDER / target).read_text(), f"{name}: {target}"
    for reason in set(Reason) - {Reason.ROOT}:
        assert f"`{reason}`" in PAGES["HardlinkScanIncomplete"]


def test_every_alert_is_in_the_readme_with_its_severity() -> None:
    found = re.findall(
        r"\| \[`(Hardlink\w+)`\]\(deploy/runbooks/(\w+)\.md\) \| ([a-z, ]+) \|", README
    )
    told = [(name, severity) for name, _, words in found for severity in words.split(", ")]
    assert sorted(told) == sorted((alert.name, alert.severity) for alert in ALERTS)
    assert all(name == page for name, page, _ in found)


@pytest.mark.engine
@pytest.mark.root
def test_on_the_way_to_overlay2_and_back_images_are_out_of_sight_volumes_stay_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    need_engine()
    listed = ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    with engine(tmp_path, "overlay") as old:
        old.load([tar({"a": b"x"}), tar({"b": b"x"})], "shop:1.4")
        old.docker("create", "--name", "kept", "shop:1.4", "/a")
        old.docker("volume", "create", "data")
        old.docker("save", "--output", str(tmp_path / "images.tar"), "shop:1.4")
        old.docker("export", "--output", str(tmp_path / "container.tar"), "kept")
    with engine(tmp_path, "overlay2") as new:
        assert new.docker("info", "--format", "{{.Driver}}").split()[-1] == "overlay2"
        assert new.docker(*listed) == ""
        assert new.docker("ps", "--all", "--quiet") == ""
        assert new.docker("volume", "ls", "--quiet").split() == ["data"]
        new.docker("load", "--input", str(tmp_path / "images.tar"))
        assert new.docker(*listed).split() == ["shop:1.4"]
        new.docker("rmi", "shop:1.4")
    with engine(tmp_path, "overlay") as old:
        assert old.docker(*listed).split() == ["shop:1.4"]
        assert old.docker("ps", "--all", "--format", "{{.Names}}").split() == ["kept"]
