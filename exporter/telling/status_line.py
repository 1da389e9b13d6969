"""The status line of `systemctl status`: every root in one line, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from exporter.telling.assessment import Assessment, assess_nothing
from exporter.telling.view import Loaded
from exporter.text import one_line

_LONGEST: Final = 500
"""Characters; systemd cuts a status line, and a person reads one line."""


def status_line(assessments: Sequence[Assessment], loaded: Loaded | None, *, ready: bool) -> str:
    """The level and the sentence of each root."""
    roots = [_of(one) for one in sorted(assessments, key=_order)]
    failed = loaded is not None and not loaded.successful
    parts = (
        *(["config reload failed, keeping the previous configuration"] if failed else []),
        *(roots or [assess_nothing(ready=ready)[1]]),
    )
    return one_line("; ".join(parts), _LONGEST)


def _of(one: Assessment) -> str:
    where = one.root if one.driver is None else f"{one.root} ({one.driver})"
    return f"{where}: {one.level.word}, {one.sentence}"


def _order(one: Assessment) -> tuple[int, float, str]:
    return -one.level, float("inf") if one.left is None else one.left, one.root
