"""The engine's options that say where its root is, from the files that start the engine.

Sources: moby `cmd/dockerd/options.go` and `cmd/dockerd/config.go` (the options and their short
forms), `daemon/daemon.go` (DOCKER_DRIVER), `contrib/init` (the variables of its init scripts).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from exporter.text import normal_path, one_line
from exporter.thinking.settings import NotUnderstoodError, Text, Variables, Word
from exporter.thinking.shellfile import read_command, read_settings
from exporter.thinking.unitfile import (
    UNKNOWN,
    Setting,
    commands_of,
    environment_of,
    expanded,
    settings_of,
)

OPTION_VARIABLES: Final = (
    "DOCKER_STORAGE_OPTIONS",
    "DOCKER_NETWORK_OPTIONS",
    "other_args",
    "OPTIONS",
    "DOCKER_OPTIONS",
    "DOCKER_OPTS",
    "DOCKERD_OPTS",
)
"""The variables that init scripts hand to the engine, in the order in which they do."""

_DAEMONS: Final = frozenset({"dockerd", "dockerd-current", "dockerd-latest", "dockerd-ce"})
_CLIENTS: Final = frozenset({"docker", "docker-current", "docker-latest", "docker.io"})
"""Programs that are the engine with the word `daemon` or `-d` only."""

_AS_DAEMON: Final = frozenset({"daemon", "-d", "--daemon"})
_SHELLS: Final = frozenset({"sh", "bash", "dash"})
_BLANKS: Final = re.compile(r"[ \t\n]+")
_LONG: Final = {
    "--data-root": "data_root",
    "--graph": "data_root",
    "--config-file": "config_file",
    "--storage-driver": "storage_driver",
}
_SHORT: Final = {"g": "data_root", "s": "storage_driver"}
_SIGNS: Final = "-@:+!|"
"""What systemd takes before the program's path (systemd.service(5), COMMAND LINES)."""

_SWITCHES: Final = "Ddrvh"
"""Short options without a value; any other has one."""


@dataclass(frozen=True, slots=True)
class Option:
    """The value of an option, and where it is written."""

    value: str
    where: str


@dataclass(frozen=True, slots=True)
class EngineFlags:
    """What the engine's options say. `problems` are sentences on what could not be told from them."""

    data_root: Option | None = None
    config_file: Option | None = None
    storage_driver: Option | None = None
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Service:
    """What a unit and its drop-ins set, in the order in which systemd reads them."""

    commands: list[Setting] = field(default_factory=list)
    environment: list[Setting] = field(default_factory=list)
    environment_files: list[Setting] = field(default_factory=list)


def service_of(files: Iterable[Text]) -> Service:
    """Read a unit and its drop-ins; an empty setting forgets what was set before it.

    Raises NotUnderstoodError.
    """
    service = Service()
    for setting in (s for file in files for s in settings_of(file) if s.section == "Service"):
        match setting.name:
            case "ExecStart":
                _add(service.commands, setting)
            case "Environment":
                _add(service.environment, setting)
            case "EnvironmentFile":
                _add(service.environment_files, setting)
    return service


def _add(settings: list[Setting], setting: Setting) -> None:
    if setting.value:
        settings.append(setting)
    else:
        settings.clear()


def flags_of_service(service: Service, from_files: Variables) -> EngineFlags:
    """The engine's options in a service whose environment files set `from_files`.

    Raises NotUnderstoodError.
    """
    variables: dict[str, Word] = {}
    for setting in service.environment:
        variables |= environment_of(setting.value, setting.where)
    variables |= from_files
    flags = EngineFlags()
    problems: list[str] = []
    for setting in service.commands:
        for command in commands_of(setting.value, setting.where):
            words = list(_run_words(command, variables))
            options = engine_options(words, variables)
            if options is None and words:
                what = one_line(words[0].text, 200)
                problems.append(f"{setting.where}: starts {what}, which is not known as the engine")
            flags = _with_options(flags, options or ())
    driver = variables.get("DOCKER_DRIVER", Word("", ""))
    if driver.known():  # the engine prefers it to its option
        flags = replace(flags, storage_driver=Option(driver.text, driver.where))
    return replace(flags, problems=tuple(problems))


def flags_of_settings(files: Iterable[Text]) -> EngineFlags:
    """The engine's options in files that an init script reads, in their order.

    Raises NotUnderstoodError.
    """
    variables: Variables = {}
    for file in files:
        variables = read_settings(file, variables)
    values = [variables[name] for name in OPTION_VARIABLES if name in variables]
    words = [Word(text, v.where) for v in values for text in _BLANKS.split(v.known()) if text]
    return _with_options(EngineFlags(), words)


def _run_words(command: Sequence[Word], variables: Variables) -> Iterator[Word]:
    """The words that systemd runs: without the signs before the program, variables replaced."""
    if not command:
        return
    program = command[0].text.lstrip(_SIGNS)
    signs = command[0].text[: len(command[0].text) - len(program)]
    words = [replace(command[0], text=program), *command[2 if "@" in signs else 1 :]]
    yield from words if ":" in signs else expanded(words, variables)


def engine_options(words: Sequence[Word], variables: Variables) -> Sequence[Word] | None:
    """The options of the engine that a command line starts; None if it starts none."""
    last = max((i for i, word in enumerate(words) if word.text in _AS_DAEMON), default=0)
    for i, word in enumerate(words):
        name = word.text.rpartition("/")[2]
        if name in _SHELLS and (text := _shell_text(words, i + 1)) is not None:
            script = read_command(text.known(), text.where, variables)
            found = (engine_options(c, script.variables) for c in script.commands)
            return next((options for options in found if options is not None), None)
        if name in _DAEMONS or (name in _CLIENTS and i < last):
            return words[i + 1 :]
    return None


def _shell_text(words: Sequence[Word], at: int) -> Word | None:
    """The TEXT of `sh -c TEXT`, whose options begin at a place."""
    while at + 1 < len(words) and words[at].text.startswith("-"):
        if not words[at].text.startswith("--") and words[at].text.endswith("c"):
            return words[at + 1]
        at += 1
    return None


def _with_options(flags: EngineFlags, words: Sequence[Word]) -> EngineFlags:
    """Flags after the options of a command line; the last of an option counts."""
    found: dict[str, Option] = {}
    rest = iter(words)
    for word in rest:
        if word.text == "--":
            break
        if not _says_nothing(word):
            word.known()
        for name, shown, value in _options(word, rest):
            found[name] = _checked(name, shown, value)
    return replace(
        flags,
        data_root=found.get("data_root", flags.data_root),
        config_file=found.get("config_file", flags.config_file),
        storage_driver=found.get("storage_driver", flags.storage_driver),
    )


def _says_nothing(word: Word) -> bool:
    """Whether a word, whatever its unknown part is, is none of the options asked for here."""
    name, equals, _ = word.text.partition("=")
    is_other_option = bool(equals) and name.startswith("--") and name not in _LONG
    return is_other_option or word.text[:1] not in ("", "-", "%", UNKNOWN)


def _options(word: Word, rest: Iterator[Word]) -> Iterator[tuple[str, str, Word]]:
    """The options that a word begins with; one whose value is a word of its own takes it from `rest`."""
    text = word.text
    if text.startswith("--"):
        shown, equals, after = text.partition("=")
        if shown in _LONG:
            yield _LONG[shown], shown, replace(word, text=after) if equals else _next(word, rest)
        return
    for i, letter in enumerate(text[1:], start=1) if text.startswith("-") else ():
        if letter in _SWITCHES:
            continue
        after = text[i + 1 :].removeprefix("=")
        value = replace(word, text=after) if text[i + 1 :] else _next(word, rest)
        if letter in _SHORT:
            yield _SHORT[letter], f"-{letter}", value
        return


def _next(word: Word, rest: Iterator[Word]) -> Word:
    value = next(rest, None)
    if value is None:
        raise NotUnderstoodError(word.where, f"{one_line(word.text, 50)} has no value")
    value.known()
    return value


def _checked(name: str, shown: str, value: Word) -> Option:
    text = value.text
    if name == "storage_driver":
        return Option(text, value.where)
    if not text.startswith("/") or not text.isprintable():
        raise NotUnderstoodError(value.where, f"{shown} is not an absolute path")
    return Option(normal_path(text), value.where)
