"""Layers begun and given up, told from what came and went in two kinds of folders."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from exporter.model import Lineage

RIPE_SECONDS: Final = 1.0
"""A folder that went is judged after this long: the engine's record of it may go a little later.

It is judged later while a record that nobody has read is there, which may be its.
"""

FORGOTTEN_SECONDS: Final = 5.0
"""A record that came and went explains no folder that went longer before or after it."""

_Taken = Callable[[str, bool, float], None]

_RECORD: Final = re.compile(r"([0-9a-f]{64})(-[0-9a-f]{64}-removing)?")


@dataclass(slots=True)
class _Removal:
    """A record that came and went. `until` is when its removal ended, None while it goes on."""

    record: str
    since: float
    until: float | None

    def explains(self, went: float) -> bool:
        """Whether a folder that went at this time may have been its."""
        early = went < self.since - FORGOTTEN_SECONDS
        return not early and (self.until is None or went < self.until + FORGOTTEN_SECONDS)


@dataclass(slots=True)
class Attempts:
    """Counts driver folders that came and went without ever being a layer's or a container's.

    A layer or a container may come and go between two looks, so that nobody reads which
    folder was its. Its record in layerdb is seen to come and go all the same, and each such
    record explains one folder. The removal of a large tree takes a while; the record stays
    as long under another name (docker-ce 20.10 and newer). BuildKit's folders have ids of
    another form and do not count; nor does a container's second folder, `<id>-init`. `now`
    gives seconds of any clock. What is told, from any thread, is thought of when it is judged.
    """

    now: Callable[[], float]
    failed: int = 0
    _told: deque[tuple[_Taken, str, bool, float]] = field(default_factory=deque)
    _begun: set[str] = field(default_factory=set)
    _gone: dict[str, float] = field(default_factory=dict)
    _unread: set[str] = field(default_factory=set)
    _removals: list[_Removal] = field(default_factory=list)

    def folder(self, name: str, came: bool) -> None:
        """Take in that a folder of the driver came or went."""
        self._told.append((self._folder, name, came, self.now()))

    def record(self, name: str, came: bool) -> None:
        """Take in that a record of layerdb, a layer's or a container's, came or went."""
        self._told.append((self._record, name, came, self.now()))

    def _listen(self) -> None:
        while self._told:
            taken, name, came, at = self._told.popleft()
            taken(name, came, at)

    def _folder(self, name: str, came: bool, at: float) -> None:
        match = _RECORD.fullmatch(name)
        if came and match and not match[2]:
            self._begun.add(name)
        elif not came and name in self._begun:
            self._begun.discard(name)
            self._gone[name] = at

    def _record(self, name: str, came: bool, at: float) -> None:
        match = _RECORD.fullmatch(name)
        if match is None:
            return
        if match[2]:
            for removal in self._removals:
                if removal.record == match[1]:
                    removal.until = None if came else at
        elif came:
            self._unread.add(name)
        elif name in self._unread:
            self._unread.discard(name)
            self._removals.append(_Removal(name, at, at))

    def records_appeared(self, names: Iterable[str]) -> None:
        """Take in that the engine has just made its folder of records, with these in it.

        Which came and went in it before we watched it nobody knows, so no folder that went
        until now is held against the engine.
        """
        self._listen()
        self._gone.clear()
        for name in names:
            self.record(name, came=True)

    def events_lost(self) -> None:
        """Take in that events were missed: nothing that went until now can be judged."""
        self._listen()
        for told in (self._gone, self._begun, self._unread, self._removals):
            told.clear()

    @property
    def pending(self) -> bool:
        """Whether a folder that went is still to be judged."""
        return bool(self._gone or self._told)

    def judge(self, lineage: Lineage) -> None:
        """Count what is ripe, given the engine's records as they were read.

        Only a record that was read whole needs no further watching: the engine makes a
        container's before it writes into it.
        """
        self._listen()
        known = {layer.cache_id for layer in lineage.layers.values()}
        known |= lineage.mount_ids | lineage.removing.keys()
        self._begun -= known
        self._unread -= {chain.removeprefix("sha256:") for chain in lineage.layers}
        self._unread -= {id for id, folders in lineage.mounts.items() if any(folders)}
        now = self.now()
        for name, went in list(self._gone.items()):
            if name in known:
                del self._gone[name]
            elif now - went >= (FORGOTTEN_SECONDS if self._unread else RIPE_SECONDS):
                del self._gone[name]
                self.failed += not self._explained(went)
        self._removals = [r for r in self._removals if r.explains(now)]

    def _explained(self, went: float) -> bool:
        """Use up the oldest removal that this folder may have been part of, if there is one."""
        for removal in self._removals:
            if removal.explains(went):
                self._removals.remove(removal)
                return True
        return False
