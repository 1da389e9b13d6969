"""Counting one folder of a driver: each of its trees is walked."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from exporter.disk.drivers import Driver
from exporter.disk.limits import Filesystem
from exporter.disk.walk import OPEN_DIR, Ground, walk
from exporter.model import Folder, Problem, Reason
from exporter.text import shown_name
from exporter.thinking.findings import LayerFigures
from exporter.thinking.tree import INODE_BITS, Tree

PATH_MAX: Final = 4096
"""Bytes of a path that the kernel takes at once, the last NUL among them (include/uapi/linux/limits.h)."""

_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What the kernel answers where a path leads nowhere; all else is trouble that may pass."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What counting one folder gave.

    `tree` is the one that child layers are stacked on, if any; `names` counts the names of each
    inode in all trees, and `links` has the link counts of those that were not known before. `changed`: not all of it was
    seen, because it vanished or moved meanwhile.
    """

    folder: Folder
    tree: Tree | None
    names: Mapping[int, int]
    links: dict[int, int]
    entries: int
    changed: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Home:
    """A driver's open folder, with what is known of the ground it stands on.

    `fd` is its descriptor; `where` its path on the host, for problems; `image` the folder of
    the engine's records.
    """

    driver: Driver
    fd: int
    image: Path
    where: str
    filesystem: Filesystem
    ground: Ground

    def count(self, folder: Folder, known: Container[int]) -> Counted:
        """Walk a folder's trees. The links of `known` inodes are not asked for."""
        links: dict[int, int] = {}
        stacked: Tree | None = None
        names: Counter[int] = Counter()
        entries, changed, problems = 0, False, list[Problem]()
        for name in folder.trees:
            try:
                tree = self.walk(folder.id, name, links, known)
            except FileNotFoundError:
                changed = True
                continue
            except OSError as error:
                place = f"{self.where}/{shown_name(folder.id)}/{name}"
                what = f"cannot be read: {error.strerror}"
                problems.append(Problem(place, what, Reason.UNREADABLE))
                continue
            entries += tree.entries
            changed |= tree.changed
            problems += tree.problems
            if name == folder.stacked:
                stacked = tree
            if len(folder.trees) > 1 or stacked is None:
                names.update(tree.names)
        return Counted(
            folder,
            stacked,
            names or (stacked.names if stacked else {}),
            links,
            entries,
            changed,
            tuple(problems),
        )

    def walk(self, id: str, name: str, links: dict[int, int], known: Container[int]) -> Tree:
        """Walk one tree of a folder. Raises OSError if it cannot be entered."""
        with self.open_tree(id, name) as top:
            place = f"{self.where}/{shown_name(id)}/{name}"
            return walk(top, place, self.ground, links, known)

    @contextmanager
    def open_tree(self, id: str, name: str) -> Iterator[int]:
        """Open one tree of a folder. Raises OSError if it cannot be entered."""
        layer = os.open(id, OPEN_DIR, dir_fd=self.fd)
        try:
            top = os.open(name, OPEN_DIR, dir_fd=layer)
        finally:
            os.close(layer)
        try:
            yield top
        finally:
            os.close(top)

    def ask(self, inode: int, path: bytes) -> int | Unasked:
        """Ask for the links of an inode by a path below this folder; or say why they are not told."""
        try:
            status = _status(path, self.fd)
        except OSError as error:
            if error.errno not in _NOT_THERE:
                return Unasked.BLOCKED
        except ValueError:  # no part of it is short enough for the kernel
            return Unasked.GONE
        else:
            key = status.st_ino
            if not self.ground.inode_in_entry:
                key |= status.st_dev << INODE_BITS
            if key == inode and stat.S_ISREG(status.st_mode):
                return status.st_nlink
        return Unasked.BLOCKED if self._is_covered(path) else Unasked.GONE

    def _is_covered(self, path: bytes) -> bool:
        """Whether another mount lies over a part of a path, so that what is there is not the layer's."""
        folder = os.dup(self.fd)
        try:
            for name in path.split(b"/"):
                status = os.stat(folder)
                hidden = self.ground.covered.get((status.st_dev, status.st_ino), ())
                other = self.ground.inode_in_entry and status.st_dev != self.ground.device
                if other or os.fsdecode(name) in hidden:
                    return True
                below = os.open(name, OPEN_DIR, dir_fd=folder)
                os.close(folder)
                folder = below
        except OSError:  # the way ends here
            return False
        finally:
            os.close(folder)
        return False


class Unasked(Enum):
    """Why an inode's links were not told: its name is not there any more, or cannot be looked at now."""

    GONE = "gone"
    BLOCKED = "blocked"


def _status(path: bytes, folder: int) -> os.stat_result:
    """Ask for a file by a path of any length: in pieces that the kernel takes."""
    if len(path) < PATH_MAX:
        return os.stat(path, dir_fd=folder, follow_symlinks=False)
    cut = path.rindex(b"/", 0, PATH_MAX)
    fd = os.open(path[:cut], OPEN_DIR, dir_fd=folder)
    try:
        return _status(path[cut + 1 :], fd)
    finally:
        os.close(fd)


def figures_of(home: Home, counted: Counted) -> LayerFigures:
    """How many inodes linking a folder's tree again takes, and how its counting went."""
    tree, driver = counted.tree, home.driver
    cost = None
    if tree is not None and tree.directories and driver.costs_a_tree:
        cost = tree.made_anew + (tree.regular if home.filesystem.link_costs_inode else 0)
    return LayerFigures(
        counted.folder,
        has_files=tree is not None and driver.shares_links and bool(tree.names),
        cost=cost,
        changed=counted.changed,
        problems=counted.problems,
    )
