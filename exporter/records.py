"""What the engine's records and the driver's folders say at one moment, read until both agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.count import Home
from exporter.drivers import folders
from exporter.images import read_lineage
from exporter.kinds import References, kind_of
from exporter.model import Folder, Kind, Lineage, Problem

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


NO_RECORDS: Final = Records(Lineage(), {}, {}, ())
"""What is known before anything was read."""


def read_records(home: Home, root: str, now: Callable[[], float]) -> Records:
    """Read the engine's records and list the driver's folders. `root` is the root's host path.

    The engine writes on meanwhile, so what does not fit together is read again: a layer
    removed between two readings is no trouble, one that stays broken is.
    """
    for attempt in range(ATTEMPTS):
        time.sleep(SETTLE_SECONDS if attempt else 0)
        lineage = read_lineage(home.image, f"{root}/image/{home.driver.name}")
        listed, problems = folders(home.driver, home.fd, home.where)
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
    )
