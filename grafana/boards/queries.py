"""What both dashboards ask alike."""

from __future__ import annotations

from typing import Final

from boards.model import Annotation, Target
from boards.panels import Steps, Words
from exporter.config import Config

DRIVEN: Final = "job, instance, root, driver"
"""The labels of a figure of one root and driver."""

LEVELS: Final = Config().thresholds
"""Layers left below which the alerts warn, by default."""

LEFT_STEPS: Final[Steps] = (
    (None, "red"),
    (LEVELS.critical, "orange"),
    (LEVELS.warning, "green"),
)
"""The colours of layers left: the defaults of the configuration's thresholds."""

LEFT_WORDS: Final[Words] = {0: ("0: the next layer fails", "red")}

PLACE: Final = "{{root}} ({{driver}})"
"""The legend of what is told of one root and driver."""

HOST: Final = 'job=~"$job",instance=~"$instance"'
ROOT: Final = f'{HOST},root=~"$root"'


def of_root(metric: str, **labels: str) -> str:
    """Select a metric of the chosen roots; a value that begins with `~` is a pattern."""
    return _selector(f"hardlink_{metric}", ROOT, labels)


def of_host(metric: str, **labels: str) -> str:
    """Select a metric of the chosen hosts, by its whole name."""
    return _selector(metric, HOST, labels)


def _selector(metric: str, chosen: str, labels: dict[str, str]) -> str:
    further = (
        f'{name}=~"{value[1:]}"' if value.startswith("~") else f'{name}="{value}"'
        for name, value in labels.items()
    )
    return f"{metric}{{{','.join((chosen, *further))}}}"


def with_doubt(
    expr: str, legend: str, doubt: str, *, instant: bool = False
) -> tuple[Target, Target]:
    """Ask twice: for figures that rest on all layers, and for those that do not and say so.

    Until coverage is 1, layers left mean "at most" and the most links "at least".
    """
    whole = f"on ({DRIVEN}) ({of_root('scan_coverage_ratio')} == 1)"
    return (
        Target(f"{expr} and {whole}", legend, instant),
        Target(f"{expr} unless {whole}", f"{legend}, {doubt}", instant),
    )


def alert_marks(selected: str) -> tuple[Annotation, ...]:
    """Mark in time where alerts fired, critical ones in red; one mark for all roots of an alert."""
    return tuple(
        Annotation(
            f"Alerts: {name}",
            "count by (alertname, severity)"
            f' (ALERTS{{alertname=~"Hardlink.+",alertstate="firing",severity{which},{selected}}})',
            colour,
        )
        for name, which, colour in (
            ("critical", '="critical"', "red"),
            ("warning", '="warning"', "orange"),
        )
    )
