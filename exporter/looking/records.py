"""What the engine's records and the driver's folders say at one moment, read until both agree."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
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

YOUNG_IMAGE_SECONDS: Final = 60.0
"""For this long after an image appeared, its parent may still come."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """`wall` gives unix time, to compare with times on the disk; `steady` seconds for intervals."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Records:
    """Who stands on whom, and what each folder of the driver is, by its id."""

    lineage: Lineage
    folders: Mapping[str, Folder]
    kinds: Mapping[str, Kind]
    problems: tuple[Problem, ...]
    by_folder: Mapping[str, LayerRecord] = field(default_factory=dict)
    """The layer of each folder that layerdb knows."""

    @property
    def present(self) -> frozenset[str]:
        """What is there: the driver's folders, and the layers that are not being removed."""
        return frozenset((*self.folders, *self.lineage.layers))

    def tops(self, *, tagged: bool = False) -> list[str]:
        """The folders of images' top layers, those of tagged images first, or these alone."""
        images = sorted(
            (i for i in self.lineage.images if i.chains and (i.tags or not tagged)),
            key=lambda i: not i.tags,
        )
        tops = map(self.lineage.layers.get, (i.chains[-1] for i in images))
        return list(dict.fromkeys(top.cache_id for top in tops if top is not None))


Marks = tuple[tuple[int, int], ...]

NO_RECORDS: Final = Records(Lineage(), {}, {}, ())
"""What is known before anything was read."""


def marks(home: Home, now: float) -> Marks | None:
    """The times at which the folders changed that `read_records` reads from.

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
        image / "imagedb/metadata/sha256",
        home.fd,
    ):
        mark = _mark(path, now)
        if mark is None:
            return None
        found.append(mark)
    return tuple(found)


def _mark(path: Path | int, now: float) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    if abs(now - status.st_mtime) < SURE_SECONDS:
        return None
    return status.st_ino, status.st_mtime_ns


@dataclass(slots=True)
class Ages:
    """How long folders have stayed as they are.

    A folder's age is told by its times on the disk when it is first met, and by the steady
    clock from then on: a step of the wall clock makes no folder young or old.
    """

    _born: dict[str, tuple[float, float]] = field(default_factory=dict)

    def moment(self, folder: Folder, references: References, clocks: Clocks) -> float:
        """The unix time it is for a folder, told from when it was last at work."""
        since = max(folder.changed, references.removing.get(folder.id, 0.0))
        kept, steady = self._born.get(folder.id), clocks.steady()
        if kept is None or kept[0] != since:
            kept = self._born[folder.id] = since, steady - max(0.0, clocks.wall() - since)
        return since + steady - kept[1]

    def keep_only(self, ids: Iterable[str]) -> None:
        """Forget all others."""
        for gone in self._born.keys() - set(ids):
            del self._born[gone]


@dataclass(slots=True)
class YoungImages:
    """Images that appeared a short while ago: the engine may still record their parents.

    An image that is somebody's parent is not listed, so a parent that is recorded a little
    later than the image itself is to be seen soon, and no watched folder tells of it.
    """

    _met: dict[str, float] = field(default_factory=dict)
    """When each was met that has no parent so far, by the steady clock."""
    _known: frozenset[str] | None = None

    def meet(self, lineage: Lineage, image_home: Path, clocks: Clocks) -> None:
        """Take in the images that are there now, as they were just read."""
        ids, now = frozenset(image.id for image in lineage.images), clocks.steady()
        if self._known is None:
            wall = clocks.wall()
            new = frozenset(id for id in ids if _is_young(image_home, id, wall))
        else:
            new = ids - self._known
        self._known = ids
        waiting = (ids & (self._met.keys() | new)) - lineage.parents.keys()
        met = {id: self._met.get(id, now) for id in waiting}
        self._met = {id: at for id, at in met.items() if now - at < YOUNG_IMAGE_SECONDS}

    def changed(self, image_home: Path) -> bool:
        """Whether one of them has a parent by now. Costs one stat for each."""
        folder = image_home / "imagedb/metadata/sha256"
        return any(
            os.path.exists(folder / id.removeprefix("sha256:") / "parent") for id in self._met
        )

    def due_in(self, now: float) -> float | None:
        """The seconds until `changed` is to be asked again: seldom, as they grow older."""
        ages = [now - met for met in self._met.values() if now - met < YOUNG_IMAGE_SECONDS]
        return max(1.0, min(ages) / 3) if ages else None


def _is_young(image_home: Path, id: str, now: float) -> bool:
    try:
        content = os.stat(image_home / "imagedb/content/sha256" / id.removeprefix("sha256:"))
    except OSError:
        return False
    return abs(now - content.st_mtime) < YOUNG_IMAGE_SECONDS


@dataclass(slots=True)
class Known:
    """What is known from an earlier reading of records and folders that have not changed since."""

    lineage: images.Known = field(default_factory=images.Known)
    folders: Memory[Folder] = field(default_factory=Memory)


def read_records(home: Home, root: str, clocks: Clocks, known: Known, ages: Ages) -> Records:
    """Read the engine's records and list the driver's folders. `root` is the root's host path.

    The engine writes on meanwhile, so what does not fit together is read again: a layer
    removed between two readings is no trouble, one that stays broken is.
    """
    for attempt in range(ATTEMPTS):
        time.sleep(SETTLE_SECONDS if attempt else 0)
        where, moment = f"{root}/image/{home.driver.name}", clocks.wall()
        lineage = images.read_lineage(home.image, where, known.lineage, moment)
        listed, problems = folders(home.driver, home.fd, home.where, known.folders, moment)
        present = {folder.id for folder in listed if folder.trees}
        missing = any(r.cache_id not in present for r in lineage.layers.values())
        if not lineage.problems and not missing:
            break
    references = References.of(lineage)
    ages.keep_only(folder.id for folder in listed)
    return Records(
        lineage,
        {folder.id: folder for folder in listed},
        {f.id: kind_of(f, references, ages.moment(f, references, clocks)) for f in listed},
        (*lineage.problems, *problems),
        {layer.cache_id: layer for layer in lineage.layers.values()},
    )
