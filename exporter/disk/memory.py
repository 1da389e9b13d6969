"""What was read of files and folders that have not changed since."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

SURE_SECONDS: Final = 1.0
"""A change of this very moment may be followed by another that leaves the same time."""

T = TypeVar("T")


@dataclass(slots=True)
class Memory(Generic[T]):
    """Values by name, each with the state in which its file or folder was read."""

    _kept: dict[str, tuple[tuple[int, int, int], T]] = field(default_factory=dict)

    def of(self, name: str, status: os.stat_result, now: float, read: Callable[[], T]) -> T:
        """What was read when the file was as it is now; else it is read. Errors are not kept."""
        state = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        kept = self._kept.get(name)
        if kept is not None and kept[0] == state:
            return kept[1]
        value = read()
        if min(abs(now - status.st_mtime), abs(now - status.st_ctime)) >= SURE_SECONDS:
            self._kept[name] = (state, value)
        return value

    def keep_only(self, names: Collection[str]) -> None:
        """Forget all others."""
        for name in self._kept.keys() - names:
            del self._kept[name]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
