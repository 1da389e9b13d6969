"""What is exported at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.model import Reports
from exporter.thinking.orders import WatchState


@dataclass(frozen=True, slots=True)
class Loaded:
    """How the newest reading of the configuration went; `at` is the newest success's unix time."""

    successful: bool
    at: float


@dataclass(frozen=True, slots=True)
class View:
    """What is exported: the newest reports, and what the program knows of itself.

    `waiting` are the roots without a first answer, with the seconds since their first scan's start.
    """

    reports: Reports
    version: str
    images: int
    loaded: Loaded | None = None
    watches: Mapping[str, WatchState] = field(default_factory=dict)
    waiting: Mapping[str, float] = field(default_factory=dict)
