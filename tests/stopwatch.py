"""Seconds as they pass on a machine with nothing else to do."""

from __future__ import annotations

import time
from pathlib import Path


class Stopwatch:
    """Measures from its making on; time in which the process or this thread waited for a CPU does not count.

    Of the process it knows the main thread alone: Documentation/scheduler/sched-stats.rst.
    """

    def __init__(self, pid: int) -> None:
        self._tasks = (Path(f"/proc/{pid}/schedstat"), Path("/proc/thread-self/schedstat"))
        self._began = time.monotonic()
        self._delayed = self._delays()

    @property
    def delayed(self) -> float:
        """Seconds in which one of the two waited for a CPU."""
        return self._delays() - self._delayed

    @property
    def seconds(self) -> float:
        """All seconds, less those."""
        return time.monotonic() - self._began - self.delayed

    def _delays(self) -> float:
        return sum(int(task.read_text().split()[1]) for task in self._tasks) / 1e9
