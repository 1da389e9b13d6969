"""Seeing changes as they happen: inotify on the handful of folders where the engine leaves its marks.

Never recursive: a folder of the driver comes or goes, a layer is complete by one rename into
layerdb, a tag by one rename of repositories.json. What an event says is not believed, only
counted: each one is a reason to look. Events come in the order in which things happened,
because watchdog's one inotify descriptor is listened to directly, below its observer (which
holds back renames for half a second and tells nobody of an overflow).
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from exporter.thinking.attempts import Attempts

_MASK: Final = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
)

_REFUSED: Final = WatchDescriptor(-1)
"""What watchdog gives instead of an error where the folder may not be read."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to watch, and who is told of what comes and goes in it.

    With `later`, the engine makes it only when it needs it; this is told what is in it when
    it appears after the watch began.
    """

    path: Path
    tell: Callable[[str, bool], None] | None = None
    later: Callable[[list[str]], None] | None = None


def places(home: Path, image: Path, attempts: Attempts) -> tuple[Place, ...]:
    """The folders of one driver where the engine leaves its marks."""
    return (
        Place(home, attempts.folder),
        Place(image),
        Place(image / "layerdb"),
        Place(image / "layerdb/sha256", attempts.record, attempts.records_appeared),
        Place(image / "layerdb/mounts", attempts.record, attempts.records_appeared),
        Place(image / "imagedb/content/sha256"),
        Place(image / "imagedb/metadata/sha256", later=lambda _: None),
    )


class Watch:
    """The watch of one root. `wake` is called, from another thread, whenever something happens.

    `active`: all folders are watched. `losses` counts how often events may have been missed,
    so that what is known must be proved anew.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.events = 0
        self.overflows = 0
        self.active = False
        self.losses = 0
        self._wake = wake
        self._armed: dict[WatchDescriptor, Place] = {}
        self._standing: dict[Path, tuple[int, int] | None] = {}
        self._troubled = False
        self._deleted = False
        self._lock = threading.Lock()
        self._id = CallbackId(id(self))

    def arm(self, wanted: Iterable[Place]) -> str:
        """See that these folders are watched, and no others; say why if that cannot be.

        A folder that was replaced by another of the same name is watched anew.
        """
        wanted = tuple(wanted)
        standing = {place.path: _identity(place.path) for place in wanted}
        moved = any(standing.get(p) != identity for p, identity in self._standing.items())
        if moved or self._deleted:  # one that is back may well have the same number
            self._deleted = False
            self.losses += 1
            self._disarm()
        first = not self._standing
        trouble = ""
        for place in wanted:
            if place.path in self._standing or (place.later and standing[place.path] is None):
                continue
            try:
                self._add(place)
            except OSError as error:
                trouble = trouble or f"{place.path}: {error.strerror or error}"
                continue
            self._standing[place.path] = standing[place.path]
            if place.later is not None and not first:
                place.later(_names(place.path))
        if self._troubled and not trouble:
            self.losses += 1  # until now nobody saw what happened there
        self._troubled = bool(trouble)
        self.active = not trouble
        return trouble

    def _add(self, place: Place) -> None:
        path = os.fsencode(place.path)
        with self._lock:
            inotify = InotifyFD.get_instance()
            wd = inotify.add_callback(path, _MASK, self, self._id)
            if wd == _REFUSED:
                inotify.remove_callbacks([(wd, self._id)])
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            self._armed[wd] = place

    def stop(self) -> None:
        """Watch nothing any more."""
        self._disarm()

    def on_event(self, event: InotifyEvent) -> None:
        """Take in one event (watchdog's WatchCallback)."""
        self.events += 1
        with self._lock:
            place = self._armed.get(event.wd)
        came = event.is_create or event.is_moved_to
        if place is not None and place.tell is not None and event.name:
            place.tell(os.fsdecode(event.name), came)
        self._wake()

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Take in that a folder was deleted or unmounted (watchdog's WatchCallback)."""
        with self._lock:
            known = self._armed.pop(wd, None)
        if known is not None:
            self.active = False
            self._deleted = True
            self.losses += 1
            self._wake()

    def on_queue_overflow(self) -> None:
        """Take in that the kernel dropped events (watchdog's WatchCallback)."""
        self.overflows += 1
        self.losses += 1
        self._wake()

    def _disarm(self) -> None:
        self.active = False
        self._standing = {}
        with self._lock:
            armed, self._armed = list(self._armed), {}
        if armed:
            InotifyFD.get_instance().remove_callbacks([(wd, self._id) for wd in armed])


def _names(path: Path) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:  # gone again
        return []


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
