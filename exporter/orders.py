"""What the daemon tells a root's worker process, and what it hears back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exporter.model import Reports, Root


@dataclass(frozen=True, slots=True)
class Orders:
    """Which root to look at, and how many seconds after a look the next one begins."""

    root: Root
    rootfs: Path
    interval: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The newest reports of the root. `failure` is the traceback of a bug, for the log."""

    reports: Reports
    failure: str = ""
