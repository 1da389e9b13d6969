"""Durations as Prometheus writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.durations import duration, seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [("30s", 30), ("1h30m", 5400), ("1d", 86_400), ("1y2w", 32_745_600), ("500ms", 0.5), ("0s", 0)],
)
def test_a_duration_is_so_many_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "1m1h", "-5m", "1.5h", "٣m", "1h\n"])
def test_what_prometheus_would_not_read_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="it should be a duration"):
        seconds(text)


@given(st.integers(0, 10**12))
def test_a_duration_that_is_written_reads_as_the_same(milliseconds: int) -> None:
    assert round(seconds(duration(milliseconds / 1000)) * 1000) == milliseconds
