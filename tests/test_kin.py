"""Kin: counting inodes together gives what counting each alone gives."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from exporter.model import LINKS_OVER
from exporter.thinking.headroom import Tight
from exporter.thinking.kin import inodes_over, link_counts
from exporter.thinking.kinship import Kinship

layers = st.lists(
    st.dictionaries(st.integers(1, 12), st.integers(1, 4), max_size=12), min_size=1, max_size=8
)
"""Layers as names by inode."""

surplus = st.dictionaries(st.integers(1, 12), st.integers(0, 50), max_size=12)
"""Links from outside, by inode."""


PLACES = defaultdict[int, bytes](lambda: b"/somewhere")


def plainly(names: dict[int, int], links: dict[int, int], limit: int) -> Tight | None:
    """Find the tightest inode by looking at each."""
    ranks = [
        (max(0, limit - links[inode]) // count, -links[inode], -count, inode)
        for inode, count in names.items()
    ]
    if not ranks:
        return None
    left, held, count, inode = min(ranks)
    return Tight(left, inode, -held, -count)


def links_in(held: dict[str, dict[int, int]], outside: dict[int, int]) -> dict[int, int]:
    counts: Counter[int] = Counter()
    for names in held.values():
        counts.update(names)
    return {inode: n + outside.get(inode, 0) for inode, n in counts.items()}


def built(
    script: list[dict[int, int]], outside: dict[int, int]
) -> tuple[Kinship, dict[str, dict[int, int]]]:
    """Take in layers one after the other, as they are built, and tell the counts after each."""
    kinship, held = Kinship(), dict[str, dict[int, int]]()
    for number, names in enumerate(script):
        held[f"l{number}"] = names
        links = links_in(held, outside)
        kinship.add(f"l{number}", names, links, PLACES)
        tell(kinship, links)
    return kinship, held


def tell(kinship: Kinship, links: dict[int, int]) -> None:
    for kin in list(kinship.kins):
        few = [*list(kin.members)[:3], *kin.odd]
        kin.told({inode: links[inode] for inode in few})
        kin.told({inode: links[inode] for inode in kin.members})


def check(kinship: Kinship, held: dict[str, dict[int, int]], links: dict[int, int]) -> None:
    assert link_counts(kinship.kins) == Counter(links.values())
    assert kinship.held.keys() == held.keys()
    for layer, names in held.items():
        assert kinship.tightest(layer, 60) == plainly(names, links, 60)


@given(layers, surplus)
def test_every_layers_tightest_inode_is_that_of_a_plain_count(
    script: list[dict[int, int]], outside: dict[int, int]
) -> None:
    kinship, held = built(script, outside)
    check(kinship, held, links_in(held, outside))


@given(layers, surplus, st.sets(st.integers(0, 7)))
def test_removed_layers_leave_the_rest_right(
    script: list[dict[int, int]], outside: dict[int, int], gone: set[int]
) -> None:
    kinship, held = built(script, outside)
    for number in gone & set(range(len(script))):
        kinship.remove(f"l{number}")
        del held[f"l{number}"]
    tell(kinship, links_in(held, outside))
    check(kinship, held, links_in(held, outside))
    assert kinship.kin_of.keys() == links_in(held, outside).keys()


@given(layers)
def test_members_of_one_kin_have_the_same_names_in_every_layer(
    script: list[dict[int, int]],
) -> None:
    kinship, held = built(script, {})
    for kin in kinship.kins:
        for layer, names in held.items():
            assert {names.get(inode, 0) for inode in kin.members} == {kin.holders.get(layer, 0)}


def test_a_child_layer_adds_no_kin_but_for_what_it_changes() -> None:
    base = dict.fromkeys(range(1000), 1)
    kinship, _ = built([base, base | {2000: 1}, {i: 1 for i in base if i != 7}], {})
    assert sorted(len(kin.members) for kin in kinship.kins) == [1, 1, 999]


def test_three_asked_members_tell_the_links_of_all() -> None:
    kinship = Kinship()
    (kin,) = kinship.add("a", dict.fromkeys(range(10), 1), dict.fromkeys(range(10), 4), PLACES)
    kin.told({0: 5, 1: 5, 2: 5})
    assert [kin.links_of(inode) for inode in range(10)] == [5] * 10


def test_a_strangers_link_on_one_member_is_that_members_alone() -> None:
    kinship = Kinship()
    (kin,) = kinship.add("a", dict.fromkeys(range(10), 1), dict.fromkeys(range(10), 4), PLACES)
    kin.told({0: 9, 1: 5, 2: 5})
    assert [kin.links_of(inode) for inode in range(4)] == [9, 5, 5, 5]
    assert (kin.links_max, kin.fullest()) == (9, 0)


@given(st.lists(st.integers(1, 70_000)))
def test_inodes_over_counts_those_with_more_links_than_each_bound(links: list[int]) -> None:
    assert inodes_over(Counter(links)) == {
        bound: sum(n > bound for n in links) for bound in LINKS_OVER
    }
