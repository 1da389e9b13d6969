"""Finding storage roots, and seeing the host's files from inside a container.

Sources: moby `cmd/dockerd/config.go` and `daemon/config/config.go` (data-root, and graph
before it), `daemon/daemon_unix.go` (`setupDaemonRoot`: a user-namespaced engine keeps its
store in `<data-root>/<uid>.<gid>`).
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from exporter.disk.drivers import DRIVERS
from exporter.disk.files import BrokenFileError, read_small
from exporter.errors import UserError
from exporter.model import Root
from exporter.text import alike, normal_path, path_text

DAEMON_JSON: Final = "/etc/docker/daemon.json"
DEFAULT_ROOT: Final = "/var/lib/docker"

_REMAPPED: Final = re.compile(r"[0-9]+\.[0-9]+")
_MOST_BYTES: Final = 1 << 20
_MOST_SYMLINKS: Final = 40


class RootsError(UserError):
    """What says where the roots are cannot be understood."""


def seen_path(path: str, rootfs: Path) -> Path:
    """The place where this process sees the host's `path`.

    Below another `/` a symlink must be followed by hand: the host's /var/lib/docker is often
    one to an absolute path, which the kernel would look up in our own `/`.
    """
    if rootfs == Path("/"):
        return Path(path)
    todo = [p for p in path.split("/") if p][::-1]
    done: list[str] = []
    followed = 0
    while todo:
        part = todo.pop()
        if part == ".":
            continue
        if part == "..":
            done = done[:-1]
            continue
        try:
            target = os.readlink(rootfs.joinpath(*done, part))
        except OSError:  # not a symlink, or not there: whoever opens it will tell
            done.append(part)
            continue
        followed += 1
        if followed > _MOST_SYMLINKS:  # a loop: whoever opens it will tell
            return rootfs / path.lstrip("/")
        if target.startswith("/"):
            done = []
        todo += [p for p in target.split("/") if p][::-1]
    return rootfs.joinpath(*done)


def roots_of(
    paths: Sequence[str], rootfs: Path, links_limits: Mapping[str, int]
) -> tuple[Root, ...]:
    """Which roots to look at: those named, or where none is, those found on the host."""
    if paths:
        return named_roots(paths, rootfs, links_limits)
    return discovered_roots(rootfs, links_limits)


def named_roots(
    paths: Iterable[str], rootfs: Path, links_limits: Mapping[str, int]
) -> tuple[Root, ...]:
    """Make roots of paths that somebody named; the same path named twice is one root.

    The disk is not asked: it is for the root's own worker to wait for a dead mount. Raises
    RootsError where two roots would have the same label.
    """
    normal = [normal_path(os.path.abspath(given)) for given in paths]
    if (pair := alike(normal)) is not None:
        one, other = (repr(os.fsencode(path))[1:] for path in pair)
        raise RootsError(
            f"the roots {one} and {other} would both be told as {path_text(pair[0])}; name one only"
        )
    roots = (
        Root(path_text(path), rootfs / path.lstrip("/"), False, links_limits) for path in normal
    )
    return tuple({root.path: root for root in roots}.values())


def discovered_roots(rootfs: Path, links_limits: Mapping[str, int]) -> tuple[Root, ...]:
    """Find the roots of this host's engine: its data-root, and user-namespaced ones below it.

    Raises RootsError when daemon.json is there but cannot be understood.
    """
    found = (roots_at(path, rootfs, links_limits) for path in candidates(rootfs))
    return tuple(root for roots in found for root in roots)


def candidates(rootfs: Path) -> tuple[str, ...]:
    """The paths where a root may lie, from the engine's configuration; none of them is looked at.

    Raises RootsError when that cannot be understood.
    """
    return (_data_root(seen_path(DAEMON_JSON, rootfs)) or DEFAULT_ROOT,)


def roots_at(path: str, rootfs: Path, links_limits: Mapping[str, int]) -> tuple[Root, ...]:
    """The root at a path, if there is one, and the user-namespaced ones below it."""
    seen = seen_path(path, rootfs)
    places = [(path, seen)] if _is_store(seen) else []
    try:
        names = sorted(n for n in os.listdir(seen) if _REMAPPED.fullmatch(n))
    except OSError:
        names = []
    places += [(normal_path(f"{path}/{n}"), seen / n) for n in names if _is_store(seen / n)]
    return tuple(Root(p, s, True, links_limits) for p, s in places)


def _is_store(folder: Path) -> bool:
    """Whether a folder holds a driver's layers, or may do so as far as we are let to see."""
    for driver in DRIVERS:
        try:
            # Not access(2): it takes no notice of a capability of a user who is not root.
            if stat.S_ISDIR(os.stat(folder / driver.name).st_mode):
                return True
        except PermissionError:
            return True
        except OSError:  # not there
            continue
    return False


def limit_set_for(root: Root, seen: Path, rootfs: Path) -> int | None:
    """Find the limit set by hand for a root, by its path or by that of `seen`, where its symlinks lead."""
    if root.path in root.links_limits:
        return root.links_limits[root.path]
    below = os.path.relpath(os.path.realpath(seen), os.path.realpath(rootfs))
    return root.links_limits.get(path_text(normal_path(f"/{below}")))


def _data_root(daemon_json: Path) -> str | None:
    try:
        document = json.loads(read_small(daemon_json, _MOST_BYTES, follow=True).strip() or b"{}")
    except FileNotFoundError:
        return None
    except BrokenFileError as error:
        raise RootsError(f"{DAEMON_JSON}: {error}; name the roots instead") from None
    except OSError as error:
        raise RootsError(f"{DAEMON_JSON}: {error.strerror}; name the roots instead") from None
    except (ValueError, RecursionError):
        raise RootsError(f"{DAEMON_JSON}: is not JSON; name the roots instead") from None
    if not isinstance(document, dict):
        raise RootsError(f"{DAEMON_JSON}: is not an object; name the roots instead")
    path = document.get("data-root") or document.get("graph")
    if path is None:
        return None
    if not isinstance(path, str) or not path.startswith("/") or not path.isprintable():
        raise RootsError(f"{DAEMON_JSON}: data-root is not an absolute path")
    return normal_path(path)
