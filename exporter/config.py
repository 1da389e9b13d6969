"""The configuration: all that can be configured, with its defaults, bounds and types."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from exporter.alerting import Alerts
from exporter.text import alike, normal_path, path_text
from exporter.thinking.orders import RECONCILE_SECONDS
from exporter.yamlfile import Section, parse_as, read_bytes


def _absolute(path: str) -> str:
    if not path.startswith("/") or not path.isprintable():
        raise ValueError("it should be an absolute path")
    return path


def _by_root(limits: dict[str, int]) -> dict[str, int]:
    normal = {normal_path(path): limit for path, limit in limits.items()}
    if len(normal) < len(limits):
        raise ValueError("it should name each root once")
    return normal


def _told_apart(paths: tuple[str, ...]) -> tuple[str, ...]:
    if (pair := alike(paths)) is not None:
        raise ValueError(f"{pair[0]!r} and {pair[1]!r} would both be told as {path_text(pair[0])}")
    return paths


AbsoluteText = Annotated[str, AfterValidator(_absolute)]
AbsolutePath = Annotated[AbsoluteText, AfterValidator(normal_path)]
Whole = Annotated[int, Field(ge=0, le=2**53)]
Links = Annotated[int, Field(ge=1, le=2**63)]


class Thresholds(Section):
    """Layers left below which an image is shown as near its end."""

    warning: Whole = 20
    critical: Whole = 5

    @model_validator(mode="after")
    def _in_order(self) -> Thresholds:
        if self.critical > self.warning:
            raise ValueError(
                f"critical, {self.critical}, should not be above warning, {self.warning}"
            )
        return self


class Metrics(Section):
    """How much `/metrics` tells. `images`: that many with least left by links; 0: none."""

    images: Annotated[int, Field(ge=0, le=1000)] = 10


class Scan(Section):
    """How `serve` looks.

    `interval`: seconds between looks when no event calls for one; `reconcile`: seconds from one
    count of everything to the next.
    """

    interval: Annotated[float, Field(ge=0.1, le=86400)] = 30.0
    reconcile: Annotated[float, Field(ge=1, le=31_536_000)] = RECONCILE_SECONDS


class Config(Section):
    """All that can be configured.

    `roots` empty means: find them. `links_limits` overrides, by root, the most links one
    inode may have.
    """

    roots: Annotated[tuple[AbsolutePath, ...], AfterValidator(_told_apart)] = ()
    links_limits: Annotated[dict[AbsoluteText, Links], AfterValidator(_by_root)] = Field(
        default_factory=dict
    )
    scan: Scan = Scan()
    metrics: Metrics = Metrics()
    thresholds: Thresholds = Thresholds()
    alerts: Alerts = Alerts()


def load_config(path: Path) -> Config:
    """Read and check a configuration file. Raises ConfigError."""
    return parse_config(read_bytes(path), str(path))


def parse_config(raw: bytes, name: str) -> Config:
    """Understand the text of a configuration file; `name` is for what is said of it."""
    return parse_as(Config, raw, name)[0]
