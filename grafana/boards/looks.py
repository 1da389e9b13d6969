"""Colours and what they say: when a figure is calm, low, or broken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from boards.model import Json
from exporter.config import Config

Steps = tuple[tuple[float | None, str], ...]
"""Colours and the values from which they hold; the first has None: from the least on."""

CALM: Final[Steps] = ((None, "text"),)
GOOD_IS_1: Final[Steps] = ((None, "red"), (1, "green"))
GOOD_IS_0: Final[Steps] = ((None, "green"), (1, "red"))

Words = Mapping[float, tuple[str, str]]
"""What is shown for a value: its words and their colour."""


LEVELS: Final = Config().thresholds
"""Layers left below which the alerts warn, by default."""

LEFT_STEPS: Final[Steps] = (
    (None, "red"),
    (LEVELS.critical, "orange"),
    (LEVELS.warning, "green"),
)
"""The colours of layers left: the defaults of the configuration's thresholds."""

LEFT_WORDS: Final[Words] = {0: ("0: the next layer fails", "red")}


def scarcity(heading: str) -> Json:
    """A column of layers left bars, full at 100, in the colours of the thresholds."""
    return column(
        heading,
        {
            "custom.cellOptions": {"type": "gauge", "mode": "basic"},
            "thresholds": colours(LEFT_STEPS),
            "color": {"mode": "thresholds"},
            "min": 0,
            "max": 100,
        },
    )


def column(heading: str, properties: Mapping[str, Any]) -> Json:
    """A column of a table, or the line of this legend, a look of its own."""
    return _override({"id": "byName", "options": heading}, properties)


def lines(pattern: str, properties: Mapping[str, Any]) -> Json:
    """The lines whose legend matches a look of their own."""
    return _override({"id": "byRegexp", "options": f"/{pattern}/"}, properties)


def _override(matcher: Json, properties: Mapping[str, Any]) -> Json:
    found = [{"id": id, "value": value} for id, value in properties.items()]
    return {"matcher": matcher, "properties": found}


def colours(steps: Steps) -> Json:
    """Give Grafana's form of steps."""
    return {"mode": "absolute", "steps": [{"value": v, "color": colour} for v, colour in steps]}
