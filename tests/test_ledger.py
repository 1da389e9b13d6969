"""The ledger of hard links: distinct inodes, each counted once, whatever it is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger import Ledger
from exporter.model import LINKS_OVER

near_bounds = st.sampled_from(LINKS_OVER).flatmap(lambda n: st.integers(max(1, n - 1), n + 1))
ledgers = st.dictionaries(st.integers(1, 10**6), near_bounds | st.integers(1, 65_000), max_size=30)


def test_an_empty_ledger_has_no_maximum_and_counts_nothing() -> None:
    assert Ledger().links_max is None
    assert Ledger().inodes_over() == dict.fromkeys(LINKS_OVER, 0)


def test_two_ledgers_share_nothing() -> None:
    Ledger().links[1] = 5
    assert Ledger().links == {}


@given(ledgers)
def test_inodes_over_a_bound_are_those_with_more_links_than_it(links: dict[int, int]) -> None:
    assert Ledger(links).inodes_over() == {
        bound: sum(n > bound for n in links.values()) for bound in LINKS_OVER
    }


@given(ledgers)
def test_the_maximum_is_a_link_count_that_none_exceeds(links: dict[int, int]) -> None:
    found = Ledger(links).links_max
    assert (found is None) == (links == {})
    assert all(n <= (found or 0) for n in links.values())
    assert found is None or found in links.values()


@given(ledgers)
def test_a_higher_bound_never_has_more_inodes(links: dict[int, int]) -> None:
    counts = list(Ledger(links).inodes_over().values())
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("bound", LINKS_OVER)
def test_an_inode_with_as_many_links_as_the_bound_is_not_over_it(bound: int) -> None:
    over = Ledger({1: bound, 2: bound + 1}).inodes_over()
    assert over[bound] == 1
    assert [over[b] for b in LINKS_OVER if b < bound] == [2] * LINKS_OVER.index(bound)
