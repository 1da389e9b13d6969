"""Layers begun and given up, told from what came and went in two kinds of folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from exporter.model import Lineage

RIPE_SECONDS: Final = 1.0
"""A folder that went is judged after this long: the engine's record of it may go a little later."""

FORGOTTEN_SECONDS: Final = 5.0
"""A record that came and went explains no folder that went longer before or after it."""

_HEX: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class Attempts:
    """Counts driver folders that came and went without ever being a layer's or a container's.

    A layer or a container may come and go between two looks, so that nobody reads which
    folder was its. Its record in layerdb is seen to come and go all the same, and each such
    record explains one folder. BuildKit's folders have ids of another form and do not count;
    nor does a container's second folder, `<id>-init`. `now` gives seconds of any clock.
    """

    now: Callable[[], float]
    failed: int = 0
    _begun: set[str] = field(default_factory=set)
    _gone: dict[str, float] = field(default_factory=dict)
    _unread: dict[str, float] = field(default_factory=dict)
    _explained: list[float] = field(default_factory=list)

    def folder(self, name: str, came: bool) -> None:
        """Take in that a folder of the driver came or went."""
        if came and _HEX.fullmatch(name):
            self._begun.add(name)
        elif not came and name in self._begun:
            self._begun.discard(name)
            self._gone[name] = self.now()

    def record(self, name: str, came: bool) -> None:
        """Take in that a record of layerdb, a layer's or a container's, came or went."""
        if came and _HEX.fullmatch(name):
            self._unread[name] = self.now()
        elif not came and self._unread.pop(name, None) is not None:
            self._explained.append(self.now())

    def records_appeared(self, names: Iterable[str]) -> None:
        """Take in that the engine has just made its folder of records, with these in it.

        Which came and went in it before we watched it nobody knows, so no folder that went
        until now is held against the engine.
        """
        self._gone.clear()
        for name in names:
            self.record(name, came=True)

    @property
    def pending(self) -> bool:
        """Whether a folder that went is still to be judged."""
        return bool(self._gone)

    def judge(self, lineage: Lineage, read_at: float) -> None:
        """Count what is ripe, given the engine's records as they were read at `read_at`."""
        known = {layer.cache_id for layer in lineage.layers.values()}
        known |= lineage.mount_ids | lineage.removing.keys()
        self._begun -= known
        for name in [n for n, came in list(self._unread.items()) if came < read_at]:
            self._unread.pop(name, None)
        now = self.now()
        for name, went in list(self._gone.items()):
            if name in known:
                del self._gone[name]
            elif now - went >= RIPE_SECONDS:
                del self._gone[name]
                self.failed += not self._explains(went)
        self._explained = [t for t in self._explained if now - t < FORGOTTEN_SECONDS]

    def _explains(self, went: float) -> bool:
        """Use up a record that went at about this time, if there is one."""
        near = [t for t in self._explained if abs(t - went) < FORGOTTEN_SECONDS]
        if near:
            self._explained.remove(min(near, key=lambda t: abs(t - went)))
        return bool(near)
