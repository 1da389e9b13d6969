"""What a rules file is made of, in Prometheus' own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule: `name` (as in `level:metric:operation`) keeps what `expr` gives."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule. `wait` is its `for`, `hold` its `keep_firing_for`, None where it has none.

    `action` is one sentence that says what to do; `runbook` a URL that says it at length.
    """

    name: str
    expr: str
    severity: str
    wait: str
    summary: str
    description: str
    action: str
    runbook: str
    hold: str | None = None


Rule = Record | Alert


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other, each seeing what those before it recorded.

    `interval` is a duration; None: Prometheus' own `evaluation_interval`.
    """

    name: str
    rules: tuple[Rule, ...]
    interval: str | None = None
