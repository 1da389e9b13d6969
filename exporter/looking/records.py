"""What the engine's records and the driver's folders say at one moment, read until both agree."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.disk import images
from exporter.disk.count import Home
from exporter.disk.drivers import folders
from exporter.disk.memory import SURE_SECONDS, Memory
from exporter.model import Folder, Kind, LayerRecord, Lineage, Problem
from exporter.thinking.kinds import References, kind_of

ATTEMPTS: Final = 3
"""How often what changes under our eyes is looked at before that is a problem."""

SETTLE_SECONDS: Final = 0.05
"""Pause before the engine's records are read again: longer than the steps of one removal."""


@dataclass(frozen=True, slots=True)
class Records:
    """Who stands on whom, and what each folder of the driver is, by its id."""

    lineage: Lineage
    folders: Mapping[str, Folder]
    kinds: Mapping[str, Kind]
    problems: tuple[Problem, ...]
    by_folder: Mapping[str, LayerRecord] = field(default_factory=dict)
    """The layer of each folder that layerdb knows."""


Marks = tuple[tuple[int, int], ...]

NO_RECORDS: Final = Records(Lineage(), {}, {}, ())
"""What is known before anything was read."""


def marks(home: Home, now: float) -> Marks | None:
    """Give the times at which the folders changed that `read_records` reads from.

    As long as they stay, so does what is read. None where they cannot be relied on: a change
    of this very moment may be followed by another that leaves the same time.
    """
    image = home.image
    found = []
    for path in (
        image,
        image / "repositories.json",
        image / "layerdb/sha256",
        image / "layerdb/mounts",
        image / "imagedb/content/sha256",
        home.fd,
    ):
        try:
            status = os.stat(path)
        except OSError:
            found.append((0, 0))
            continue
        if now - status.st_mtime < SURE_SECONDS:
            return None
        found.append((status.st_ino, status.st_mtime_ns))
    return tuple(found)


@dataclass(slots=True)
class Known:
    """What is known from an earlier reading of records and folders that have not changed since."""

    lineage: images.Known = field(default_factory=images.Known)
    folders: Memory[Folder] = field(default_factory=Memory)


def read_records(home: Home, root: str, now: Callable[[], float], known: Known) -> Records:
    """Read the engine's records and list the driver's folders. `root` is the root's host path.

    The engine writes on meanwhile, so what does not fit together is read again: a layer
    removed between two readings is no trouble, one that stays broken is.
    """
    for attempt in range(ATTEMPTS):
        time.sleep(SETTLE_SECONDS if attempt else 0)
        where, moment = f"{root}/image/{home.driver.name}", now()
        lineage = images.read_lineage(home.image, where, known.lineage, moment)
        listed, problems = folders(home.driver, home.fd, home.where, known.folders, moment)
        present = {folder.id for folder in listed if folder.trees}
        missing = any(r.cache_id not in present for r in lineage.layers.values())
        if not lineage.problems and not missing:
            break
    references, moment = References.of(lineage), now()
    return Records(
        lineage,
        {folder.id: folder for folder in listed},
        {folder.id: kind_of(folder, references, moment) for folder in listed},
        (*lineage.problems, *problems),
        {layer.cache_id: layer for layer in lineage.layers.values()},
    )
