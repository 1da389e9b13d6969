"""The storage drivers we can read: one file each, one row each in `DRIVERS`.

They differ only in where their layers lie. Who stands on whom comes from `image/<driver>/`,
which is the same for all of them; counting and headroom are written once, elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from exporter.disk.drivers import overlay, overlay2
from exporter.disk.memory import Memory
from exporter.disk.walk import OPEN_DIR
from exporter.model import Folder, Problem, Reason
from exporter.text import shown_name


@dataclass(frozen=True, slots=True)
class Driver:
    """One row of the table.

    `name` is both the folder in a root and the name of its metadata folder. `shares_links`:
    a child layer links its parent's names again. `costs_a_tree`: a child layer makes a
    whole tree of inodes.
    """

    name: str
    folder: Callable[[str, Iterable[str], float], Folder]
    ignored: tuple[str, ...]
    shares_links: bool
    costs_a_tree: bool


DRIVERS: Final = (
    Driver("overlay", overlay.folder, overlay.IGNORED, shares_links=True, costs_a_tree=True),
    Driver("overlay2", overlay2.folder, overlay2.IGNORED, shares_links=False, costs_a_tree=False),
)


def folders(
    driver: Driver, home: int, where: str, known: Memory[Folder] | None = None, now: float = 0.0
) -> tuple[list[Folder], list[Problem]]:
    """Look at each folder of a driver's home, whose open descriptor is `home`.

    A folder that vanishes meanwhile is not told; one that cannot be read is a problem. One
    that is `known` and has not changed is not read again; `now` is the unix time.
    """
    known = known if known is not None else Memory()
    found: list[Folder] = []
    problems: list[Problem] = []
    with os.scandir(home) as entries:
        ids = sorted(
            e.name
            for e in entries
            if e.is_dir(follow_symlinks=False) and not _is_ignored(e.name, driver.ignored)
        )
    known.keep_only(ids)
    for id in ids:
        try:
            status = os.lstat(id, dir_fd=home)
            found.append(known.of(id, status, now, partial(_look, driver, home, id)))
        except FileNotFoundError:
            continue
        except OSError as error:
            found.append(Folder(id, (), None, False, False, 0.0, readable=False))
            problems.append(
                Problem(
                    f"{where}/{shown_name(id)}",
                    f"cannot be read: {error.strerror}",
                    Reason.UNREADABLE,
                )
            )
    return found, problems


def _is_ignored(name: str, ignored: tuple[str, ...]) -> bool:
    return any(name == i or (len(i) > 1 and name.startswith(i)) for i in ignored)


def _look(driver: Driver, home: int, id: str) -> Folder:
    fd = os.open(id, OPEN_DIR, dir_fd=home)
    try:
        with os.scandir(fd) as entries:
            kinds = {e.name: e.is_dir(follow_symlinks=False) for e in entries}
        status = os.stat(fd)
    finally:
        os.close(fd)
    names = [n for n, is_dir in kinds.items() if is_dir or n == "lower-id"]
    return driver.folder(id, names, max(status.st_mtime, status.st_ctime))
