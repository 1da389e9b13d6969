"""Durations as Prometheus writes them: `30s`, `5m`, `1h30m`, `1d`."""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = {
    "y": 31_536_000.0,
    "w": 604_800.0,
    "d": 86_400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 0.001,
}
"""Seconds by unit, in the order in which they are written (Prometheus, `common/model/time.go`)."""

_FORM: Final = re.compile("".join(rf"(?:(\d{{1,9}}){unit})?" for unit in _SECONDS))


def seconds(duration: str) -> float:
    """A duration in seconds. Raises ValueError for what Prometheus would not read."""
    found = _FORM.fullmatch(duration) if duration.isascii() else None
    if not duration or found is None:
        raise ValueError("it should be a duration such as 30s, 5m, 1h30m or 1d")
    numbers = zip(found.groups(), _SECONDS.values(), strict=True)
    return sum(int(number) * unit for number, unit in numbers if number)


def duration(seconds: float) -> str:
    """Write seconds as a duration, exact to the millisecond and in as few units as it takes."""
    left, words = round(seconds * 1000), ""
    for unit, length in list(_SECONDS.items())[2:]:  # no months, no years: days are clear to all
        number, left = divmod(left, round(length * 1000))
        words += f"{number}{unit}" if number else ""
    return words or "0s"
