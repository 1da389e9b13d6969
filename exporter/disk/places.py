"""All places of a host where a storage root may lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from exporter.disk.engines import DAEMON_JSON, data_root, engine_flags
from exporter.disk.host import Host, remote_mounts
from exporter.disk.mounts import MountTableError
from exporter.text import normal_path
from exporter.thinking.settings import NotUnderstoodError

DEFAULT_ROOT: Final = "/var/lib/docker"
SNAP_ROOT: Final = "/var/snap/docker/common/var-lib-docker"
SNAP_JSON: Final = "/var/snap/docker/current/config/daemon.json"

MOST_HOMES: Final = 1000
"""So many users of a host are asked for a rootless engine."""

_USERS: Final = "/etc/passwd"
_USER_FIELDS: Final = 7


@dataclass(frozen=True, slots=True)
class Candidates:
    """The paths where a root may lie, and sentences on what could not be found out."""

    paths: tuple[str, ...]
    problems: tuple[str, ...]


def all_places(host: Host) -> Candidates:
    """The paths where a root may lie, that of the host's own engine first.

    The default root is one where that engine names no other: else it was left behind.
    What another engine's files have wrong is a problem. Raises NotUnderstoodError for those of the host's own.
    """
    problems: list[str] = []
    places = list(_own(host, problems)) or [DEFAULT_ROOT]
    places += [*_snap(host, problems), *_rootless(host, problems)]
    return Candidates(tuple(dict.fromkeys(places)), tuple(problems))


def _own(host: Host, problems: list[str]) -> Iterator[str]:
    """The root of the engine that the host starts, by its options or its daemon.json."""
    flags = engine_flags(host)
    problems += flags.problems
    named = flags.config_file
    path = named.value if named else DAEMON_JSON
    if named and not host.is_there(path):
        problems.append(f"{named.where}: the engine's {path} is not there")
    configured = data_root(host, path)
    if flags.data_root is not None:
        yield flags.data_root.value
    if configured is not None:
        yield configured
    if flags.data_root is not None and configured is not None:
        # The engine refuses the same option twice, but takes one by its old name and one by its new.
        problems.append(
            f"{flags.data_root.where}: the engine's options and {path} both name a data-root;"
            " both are looked at, that of the options first"
        )


def _snap(host: Host, problems: list[str]) -> Iterator[str]:
    """The roots of the engine that the snap `docker` brings."""
    if host.is_folder(SNAP_ROOT):
        yield SNAP_ROOT
    try:
        configured = data_root(host, SNAP_JSON)
    except NotUnderstoodError as error:
        problems.append(str(error))
        return
    if configured is not None:
        yield configured


def _rootless(host: Host, problems: list[str]) -> Iterator[str]:
    """The roots of engines that users run by themselves: folders of their own, that we may see.

    A home that may not answer is not asked: no engine keeps a root on such a filesystem.
    """
    try:
        careful = replace(host, avoided=remote_mounts())
        homes = list(islice(_homes(host), MOST_HOMES))
    except (MountTableError, NotUnderstoodError) as error:
        problems.append(f"rootless engines are not looked for: {error}")
        return
    for user, home in homes:
        default = normal_path(f"{home}/.local/share/docker")
        file = normal_path(f"{home}/.config/docker/daemon.json")
        try:
            configured = data_root(careful, file) if careful.is_there(file) else None
        except NotUnderstoodError as error:
            problems.append(str(error))
            configured = None
        for path in (configured, default):
            if path is not None and careful.is_folder(path, owner=user):
                yield path


def _homes(host: Host) -> Iterator[tuple[int, str]]:
    """The homes in the host's list of users, each once, with the user's number."""
    file = host.text(_USERS)
    seen = set()
    for line in file.text.split("\n") if file else ():
        fields = line.split(":")
        if len(fields) != _USER_FIELDS or not (fields[2].isascii() and fields[2].isdigit()):
            continue
        home = fields[5]
        if home.startswith("/") and home.isprintable() and home not in seen:
            seen.add(home)
            yield int(fields[2]), home
