"""Pauses between retries: they grow, end soon after the trouble, and bound the share of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.thinking.backoff import (
    FIRST_SECONDS,
    LONGEST_SECONDS,
    RECOUNT_SECONDS,
    RECOUNT_SHARE,
    RETRY_SHARE,
    Backoff,
    recount_pauses,
)


def pauses_of(backoff: Backoff, count: int, seconds: float = 0.0) -> list[float]:
    """Fail so often, each time as soon as it may be tried, and give the pauses in between."""
    now, pauses = 100.0, []
    for _ in range(count):
        backoff.note("a", now, seconds, failed=True)
        pauses.append(backoff.due_in("a", now))
        assert not backoff.may("a", now + pauses[-1] - 0.01)
        now += pauses[-1]
        assert backoff.may("a", now)
    return pauses


def test_pauses_double_up_to_the_longest() -> None:
    pauses = pauses_of(Backoff(), 12)
    assert pauses[:4] == [FIRST_SECONDS * 2**i for i in range(4)]
    assert pauses[-2:] == [LONGEST_SECONDS, LONGEST_SECONDS]


def test_a_retry_that_takes_long_is_paused_for_as_long_as_its_share_asks() -> None:
    assert pauses_of(Backoff(), 1, 60.0) == [60 / RETRY_SHARE]


def test_what_fails_before_it_is_due_changes_nothing() -> None:
    backoff = Backoff()
    backoff.note("a", 0.0, failed=True)
    backoff.note("a", 0.5, failed=True)
    assert backoff.due_in("a", 0.5) == FIRST_SECONDS - 0.5


def test_only_a_success_that_lasts_makes_the_pause_short_again() -> None:
    backoff = Backoff()
    for now in (0.0, 1.0, 3.0):
        backoff.note("a", now, failed=True)
    backoff.note("a", 7.0, failed=False)
    assert backoff.may("a", 7.0)
    backoff.note("a", 7.1, failed=True)
    assert backoff.due_in("a", 7.1) == pytest.approx(8.0)
    backoff.note("a", 7.1 + 16.1, failed=False)
    backoff.note("a", 24.0, failed=True)
    assert backoff.due_in("a", 24.0) == FIRST_SECONDS


def test_what_is_forgotten_may_be_tried() -> None:
    backoff = Backoff()
    backoff.note("a", 0.0, failed=True)
    backoff.forget("a")
    backoff.forget("b")
    assert (backoff.may("a", 0.0), backoff.due_in("a", 0.0)) == (True, 0.0)


@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=20))
def test_retries_of_which_each_waits_for_all_take_their_share_of_the_time_together(
    costs: list[float],
) -> None:
    backoff, now, spent, all_of_it = Backoff(), 0.0, 0.0, sum(costs)
    names = {str(i): cost for i, cost in enumerate(costs)}
    for _ in range(40):
        now += min(backoff.due_in(name, now) for name in names)
        for name, cost in names.items():
            if backoff.may(name, now):
                spent += cost
                backoff.note(name, now, all_of_it, failed=True)
        assert spent <= 1.001 * (
            all_of_it + RETRY_SHARE * now
        )  # sums of floats differ by their order
    assert now >= 39 * all_of_it / RETRY_SHARE / 1.001


@given(st.dictionaries(st.text(max_size=3), st.floats(0.0, 1000.0), max_size=20))
def test_recounts_take_their_share_of_a_core_together_and_none_comes_too_soon(
    seconds: dict[str, float],
) -> None:
    pauses = recount_pauses(seconds)
    assert pauses.keys() == seconds.keys()
    assert min(pauses.values(), default=RECOUNT_SECONDS) >= RECOUNT_SECONDS
    assert sum(cost / pauses[name] for name, cost in seconds.items()) <= 1.001 * RECOUNT_SHARE
