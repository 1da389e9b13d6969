"""The daemon's search for roots: again and again, and no place that hangs holds up another."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from exporter.disk.roots import candidates, named_roots, roots_at
from exporter.logs import logger
from exporter.model import Root

ANSWER_SECONDS: Final = 5.0
"""A place that has not answered after this long is taken for a root whose disk is dead."""


class Search:
    """Finds roots. Each place is asked in a thread of its own, at most one at a time."""

    def __init__(self, rootfs: Path, patience: float = ANSWER_SECONDS) -> None:
        self._rootfs = rootfs
        self._patience = patience
        self._asked: dict[str, _Asked] = {}
        self._problems: tuple[str, ...] = ()

    def roots(self, named: Sequence[str], links_limits: Mapping[str, int]) -> tuple[Root, ...]:
        """The roots that are named, or where none is, those found on the host. Raises RootsError."""
        if named:
            return named_roots(named, self._rootfs, links_limits)
        found = candidates(self._rootfs)
        for problem in found.problems:
            if problem not in self._problems:
                logger().warning(problem)
        self._problems = found.problems
        roots = (root for path in found.paths for root in self._at(path))
        return tuple({r.path: replace(r, links_limits=links_limits) for r in roots}.values())

    def _at(self, path: str) -> tuple[Root, ...]:
        """The roots at a place; while it does not answer, those that it had."""
        before = self._asked.get(path)
        if before is None or not before.is_alive():
            known = before.roots if before else None
            self._asked[path] = _Asked(path, self._rootfs, known)
            self._asked[path].start()
            self._asked[path].join(self._patience)
        return self._asked[path].roots_by_now


class _Asked(threading.Thread):
    """Asks one place for roots. `known` are those that it had before, if it was ever asked."""

    def __init__(self, path: str, rootfs: Path, known: tuple[Root, ...] | None) -> None:
        super().__init__(name=f"roots at {path}", daemon=True)
        self._path = path
        self._rootfs = rootfs
        self.roots = known

    def run(self) -> None:
        """Ask; this may never end."""
        self.roots = roots_at(self._path, self._rootfs, {})

    @property
    def roots_by_now(self) -> tuple[Root, ...]:
        """The roots that are known; a place that never answered may be one."""
        if self.roots is None:
            return (Root(self._path, self._rootfs / self._path.lstrip("/"), discovered=True),)
        return self.roots
