"""Where the host's engines say that their roots are. No root is looked at.

Sources: systemd.unit(5) (folders and drop-ins), moby `cmd/dockerd/config_unix.go` (daemon.json),
`daemon/config/config.go` (data-root, and graph before it), `contrib/init` (sysvinit's and upstart's files).
"""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice
from typing import Final

from exporter.disk.host import Host
from exporter.text import normal_path
from exporter.thinking.engineflags import (
    EngineFlags,
    flags_of_service,
    flags_of_settings,
    service_of,
)
from exporter.thinking.envfile import read_environment
from exporter.thinking.settings import NotUnderstoodError, Text, Word
from exporter.thinking.unitfile import Setting

DAEMON_JSON: Final = "/etc/docker/daemon.json"

UNIT_FOLDERS: Final = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Where systemd looks for units, the first first."""

SETTINGS_FILES: Final = (
    "/etc/sysconfig/docker",
    "/etc/sysconfig/docker-storage",
    "/etc/sysconfig/docker-network",
    "/etc/default/docker",
)
"""What init scripts read on hosts where no unit starts the engine."""

_UNIT: Final = "docker.service"
_INIT: Final = "/sbin/init"
_MOST_FILES: Final = 100


def engine_flags(host: Host) -> EngineFlags:
    """The options that the host starts its engine with. Raises NotUnderstoodError."""
    files = _unit_files(host)
    if not files:
        texts = (host.text(path) for path in SETTINGS_FILES)
        return flags_of_settings([text for text in texts if text is not None])
    service = service_of(files)
    variables: dict[str, Word] = {}
    problems: list[str] = []
    for setting in service.environment_files:
        read = _environment_files(host, setting)
        if not read and not setting.value.startswith("-"):
            problems.append(f"{setting.where}: {setting.value} is not there")
        for text in read:
            variables |= read_environment(text)
    flags = flags_of_service(service, variables)
    return replace(flags, problems=(*problems, *flags.problems))


def data_root(host: Host, path: str) -> str | None:
    """The data-root that a daemon.json names; None where it names none, or is missing.

    Raises NotUnderstoodError.
    """
    text = host.text(path)
    return None if text is None else _data_root_in(text)


def _data_root_in(file: Text) -> str | None:
    try:
        document = json.loads(file.text.removeprefix("\ufeff").strip() or "{}")
    except (ValueError, RecursionError):
        raise NotUnderstoodError(file.path, "is not JSON") from None
    if not isinstance(document, dict):
        raise NotUnderstoodError(file.path, "is not an object")
    path = document.get("data-root") or document.get("graph")
    if path is None:
        return None
    if not isinstance(path, str) or not path.startswith("/") or not path.isprintable():
        raise NotUnderstoodError(file.path, "data-root is not an absolute path")
    return normal_path(path)


def _unit_files(host: Host) -> list[Text]:
    """The engine's unit and its drop-ins, in the order of reading; none where no unit is in force."""
    if host.is_there(_INIT) and host.place(_INIT).name != "systemd":
        return []  # upstart's packages have units as well
    units = (f"{folder}/{_UNIT}" for folder in UNIT_FOLDERS)
    unit = next((path for path in units if host.is_there(path) or host.is_null(path)), None)
    if unit is None or host.is_null(unit):
        return []
    drop_ins: dict[str, str] = {}
    for folder in (f"{folder}/{_UNIT}.d" for folder in UNIT_FOLDERS):
        for name in islice(host.names(folder), _MOST_FILES):
            if name.endswith(".conf"):
                drop_ins.setdefault(name, f"{folder}/{name}")
    paths = [unit, *(path for _, path in sorted(drop_ins.items()) if not host.is_null(path))]
    return [text for path in paths if (text := host.text(path)) is not None]


def _environment_files(host: Host, setting: Setting) -> list[Text]:
    """The files that an EnvironmentFile= line names; its last part may have wildcards."""
    path = setting.value.removeprefix("-").replace("%%", "%")
    if not path.startswith("/") or "\0" in path or "%" in setting.value.replace("%%", ""):
        raise NotUnderstoodError(setting.where, "EnvironmentFile= is not an absolute path")
    folder, _, pattern = path.rpartition("/")
    if not any(sign in pattern for sign in "*?["):
        text = host.text(path)
        return [] if text is None else [text]
    names = [name for name in host.names(folder or "/") if fnmatchcase(name, pattern)]
    texts = (host.text(f"{folder}/{name}") for name in names[:_MOST_FILES] if name[0] != ".")
    return [text for text in texts if text is not None]
