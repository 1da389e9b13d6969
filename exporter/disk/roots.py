"""Finding storage roots, and seeing the host's files from inside a container.

Source: moby `daemon/daemon_unix.go` (`setupDaemonRoot`: a user-namespaced engine keeps its store
in `<data-root>/<uid>.<gid>`).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from exporter.disk.drivers import DRIVERS
from exporter.disk.host import Host, place_of
from exporter.disk.places import Candidates, all_places
from exporter.disk.seen import seen_path
from exporter.errors import UserError
from exporter.model import Root
from exporter.text import alike, normal_path, path_text
from exporter.thinking.settings import NotUnderstoodError

_REMAPPED: Final = re.compile(r"[0-9]+\.[0-9]+")
_REMEDY: Final = "name the root on the command line or under `roots:` in the configuration"


class RootsError(UserError):
    """What says where the roots are cannot be understood."""


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
    """Find the roots of this host's engines, and user-namespaced ones below them.

    Raises RootsError when what the engine is configured by is there but cannot be understood.
    """
    found = (roots_at(path, rootfs, links_limits) for path in candidates(rootfs).paths)
    return tuple({root.path: root for roots in found for root in roots}.values())


def candidates(rootfs: Path) -> Candidates:
    """The paths where a root may lie, from the engines' configuration; none of them is looked into.

    Raises RootsError when that of the host's own engine cannot be understood.
    """
    try:
        return all_places(Host(rootfs))
    except NotUnderstoodError as error:
        raise RootsError(f"{error}; {_REMEDY}") from None


def roots_at(path: str, rootfs: Path, links_limits: Mapping[str, int]) -> tuple[Root, ...]:
    """The root at a path, if there is one, and the user-namespaced ones below it."""
    try:
        names = sorted(os.listdir(place_of(path, rootfs)))
    except OSError:
        names = []
    below = [normal_path(f"{path}/{name}") for name in names if _REMAPPED.fullmatch(name)]
    return tuple(
        Root(root, seen_path(root, rootfs), True, links_limits)
        for root in (path, *below)
        if _is_store(root, rootfs)
    )


def _is_store(path: str, rootfs: Path) -> bool:
    """Whether a folder holds a driver's layers, or may do so as far as we are let to see."""
    for driver in DRIVERS:
        try:
            # Not access(2): it takes no notice of a capability of a user who is not root.
            if stat.S_ISDIR(os.stat(place_of(f"{path}/{driver.name}", rootfs)).st_mode):
                return True
        except PermissionError:
            return True
        except OSError:  # not there, or a loop
            continue
    return False
