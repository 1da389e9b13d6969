"""The parameters of the alerting rules: every figure in them that somebody might want otherwise."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from exporter.durations import seconds

RUNBOOKS: Final = "https://github.com/hardlink-exporter/hardlink-exporter/blob/main/deploy/runbooks"

LOOKBACK_SECONDS: Final = 300.0
"""A series without a newer sample is gone after so long (Prometheus, `--query.lookback-delta`)."""


def _duration(text: str) -> str:
    seconds(text)
    return text


def _window(text: str) -> str:
    if seconds(text) <= 0:
        raise ValueError("it should be longer than nothing")
    return text


def _interval(text: str) -> str:
    if seconds(_window(text)) >= LOOKBACK_SECONDS:
        raise ValueError("it should be shorter than 5m, after which Prometheus forgets a series")
    return text


Duration = Annotated[str, AfterValidator(_duration)]
Window = Annotated[str, AfterValidator(_window)]
Interval = Annotated[str, AfterValidator(_interval)]
Few = Annotated[int, Field(ge=0, le=2**53)]


class Alerts(BaseModel):
    """What the rules are made with; the thresholds of layers left are those of the whole program.

    Keys that end with `_for`: how long it must be so before the alert fires.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    job: Annotated[str, Field(pattern=r"^[\w .:/@-]+$")] = "hardlink-exporter"
    runbook_url: Annotated[str, Field(pattern=r"^https?://[^\s\"{}]+$")] = RUNBOOKS
    interval: Interval = "30s"
    hold: Window = "30m"
    keep_firing_for: Duration = "10m"
    warning_for: Duration = "5m"
    critical_for: Duration = "1m"
    exhausted_for: Duration = "1m"
    filling_up_below: Few = 100
    filling_up_window: Window = "6h"
    filling_up_ahead: Window = "1d"
    filling_up_steady: Window = "3h"
    filling_up_guard: Window = "1d"
    filling_up_for: Duration = "1h"
    layer_failed_window: Window = "15m"
    layer_failed_for: Duration = "1m"
    depth_left: Few = 10
    depth_for: Duration = "15m"
    root_down_for: Duration = "5m"
    stale_after: Window = "10m"
    stale_for: Duration = "5m"
    incomplete_for: Duration = "1h"
    watch_lost_for: Duration = "15m"
    exporter_down_for: Duration = "5m"
    exporter_restarts: Few = 5
    exporter_restarts_window: Window = "1h"
    deprecated_for: Duration = "1h"
