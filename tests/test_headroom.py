"""Layers left as arithmetic, against the most stupid simulation: stack a layer, look, again."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import LayersLeft, Resource
from exporter.thinking.headroom import (
    STEP_KEEPS,
    STEP_PEAK,
    XATTR_PEAK,
    Tight,
    least,
    left_by_depth,
    left_by_inodes,
    left_by_links,
)
from exporter.thinking.kinship import Kinship

LINKS, INODES, DEPTH = Resource.LINKS, Resource.INODES, Resource.DEPTH

inodes = st.dictionaries(
    st.integers(1, 50), st.tuples(st.integers(1, 20), st.integers(1, 200)), min_size=1, max_size=8
)
parts = st.lists(
    st.dictionaries(st.sampled_from(list(Resource)), st.none() | st.integers(0, 9)), max_size=5
)

Tree = dict[int, tuple[int, int]]


def tightest(names: Mapping[int, int], links: Mapping[int, int], limit: int) -> Tight | None:
    """Find the tightest inode of a single layer."""
    kinship = Kinship()
    kinship.add("layer", names, links, dict.fromkeys(names, b"/file"))
    return kinship.tightest("layer", limit)


def tight(tree: Mapping[int, tuple[int, int]], limit: int) -> Tight | None:
    return tightest(
        {i: names for i, (names, _) in tree.items()},
        {i: links for i, (_, links) in tree.items()},
        limit,
    )


def fits(tree: Tree, layers: int, limit: int) -> bool:
    """Link every name again for each layer, and see whether the filesystem would have refused."""
    held = {inode: links for inode, (_, links) in tree.items()}
    for _ in range(layers):
        for inode, (names, _) in tree.items():
            for _ in range(names):
                if held[inode] >= limit:
                    return False
                held[inode] += 1
    return True


@given(inodes, st.integers(1, 300))
def test_as_many_layers_as_are_left_fit_and_one_more_does_not(tree: Tree, limit: int) -> None:
    found = tight(tree, limit)
    assert found is not None
    assert fits(tree, found.left, limit)
    assert not fits(tree, found.left + 1, limit)


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 1000))
def test_one_inode_allows_what_the_limit_leaves_room_for(
    limit: int, links: int, names: int
) -> None:
    left = left_by_links(limit, links, names)
    if links > limit:
        assert left == 0
    else:
        assert links + left * names <= limit < links + (left + 1) * names


@pytest.mark.parametrize(
    ("limit", "links", "names", "left"),
    [
        (65_000, 64_829, 269, 0),  # busybox: 171 links below the limit, the next layer needs 269
        (65_000, 269, 269, 240),
        (65_000, 18_000, 300, 156),
        (65_000, 65_000, 1, 0),
        (65_000, 64_999, 1, 1),
        (100, 4_000, 7, 0),
    ],
)
def test_layers_left_of_known_cases(limit: int, links: int, names: int, left: int) -> None:
    assert left == left_by_links(limit, links, names)
    assert Tight(left, 7, links, names) == tight({7: (names, links)}, limit)


@given(inodes, st.integers(1, 300))
def test_the_inode_told_is_one_of_the_tree_with_its_own_figures(tree: Tree, limit: int) -> None:
    found = tight(tree, limit)
    assert found is not None
    assert (found.names, found.links) == tree[found.inode]
    assert found.left == left_by_links(limit, found.links, found.names)
    assert found.left == min(left_by_links(limit, links, names) for names, links in tree.values())


@given(inodes.flatmap(lambda t: st.tuples(st.just(t), st.permutations(list(t)))))
def test_the_order_in_which_inodes_were_met_does_not_matter(case: tuple[Tree, list[int]]) -> None:
    tree, order = case
    assert tight(tree, 100) == tight({i: tree[i] for i in order}, 100)


@pytest.mark.parametrize(
    ("tree", "chosen"),
    [
        ({1: (1, 10), 2: (2, 10)}, 2),  # the fewest layers left
        ({1: (1, 200), 2: (1, 300)}, 2),  # among equals the most links
        ({1: (1, 200), 2: (5, 200)}, 2),  # then the most names
        ({9: (3, 200), 2: (3, 200), 5: (3, 200)}, 2),  # then the lowest number
    ],
)
def test_among_equals_the_same_inode_is_always_told(tree: Tree, chosen: int) -> None:
    found = tight(tree, 100)
    assert found is not None
    assert chosen == found.inode


def test_a_tree_without_files_has_no_tightest_inode() -> None:
    assert tightest({}, {}, 100) is None


def steps_until_full(free: int, tree: int, *, names_cost: bool) -> int:
    """Make COPY steps of one file, each on the last, until one finds too few free inodes."""
    peak = STEP_PEAK + (XATTR_PEAK if names_cost else 0)
    steps = 0
    while tree + peak <= free:
        free -= tree + STEP_KEEPS
        tree += 1 if names_cost else 0
        steps += 1
    return steps


@given(st.integers(0, 20_000), st.integers(1, 1500), st.booleans())
def test_as_many_copy_steps_fit_in_the_free_inodes_as_are_told(
    free: int, tree: int, names_cost: bool
) -> None:
    left = left_by_inodes(free, tree, names_cost=names_cost)
    assert steps_until_full(free, tree, names_cost=names_cost) == left


@given(st.integers(0, 10**18), st.integers(1, 10**9), st.booleans())
def test_steps_by_inodes_are_exact_however_large_the_filesystem(
    free: int, tree: int, names_cost: bool
) -> None:
    def need(steps: int) -> int:
        earlier = steps - 1
        if not names_cost:
            return earlier * (tree + STEP_KEEPS) + tree + STEP_PEAK
        keep = earlier * (tree + STEP_KEEPS) + earlier * (earlier - 1) // 2
        return keep + tree + earlier + STEP_PEAK + XATTR_PEAK

    left = left_by_inodes(free, tree, names_cost=names_cost)
    assert left == 0 or need(left) <= free
    assert free < need(left + 1)


@pytest.mark.parametrize(
    ("free", "tree", "names_cost", "left"),
    [
        (31, 8, False, 0),
        (32, 8, False, 1),  # measured: 8 for the tree and 24 at the peak
        (51, 8, False, 1),
        (52, 8, False, 2),  # the first step keeps 20
        (32, 8, True, 0),
        (33, 8, True, 1),  # on tmpfs one more at the peak
        (53, 8, True, 1),
        (54, 8, True, 2),  # and the first step's file is in the second layer too
        (0, 1, False, 0),
        (0, 1, True, 0),
    ],
)
def test_steps_by_inodes_of_known_cases(free: int, tree: int, names_cost: bool, left: int) -> None:
    assert left_by_inodes(free, tree, names_cost=names_cost) == left


@pytest.mark.parametrize(("depth", "left"), [(0, 125), (1, 124), (124, 1), (125, 0), (300, 0)])
def test_the_engine_stacks_125_layers_and_no_more(depth: int, left: int) -> None:
    assert left == left_by_depth(depth)


@pytest.mark.parametrize(
    ("given_parts", "expected"),
    [
        ([], {}),
        ([{}], {}),
        ([{LINKS: 3}, {LINKS: 2}, {LINKS: 5}], {LINKS: 2}),
        ([{LINKS: 3}, {}], {LINKS: 3}),
        ([{LINKS: 3}, {LINKS: None}], {LINKS: None}),
        ([{LINKS: None}, {LINKS: 0}], {LINKS: None}),
        ([{DEPTH: 4, LINKS: 1}, {INODES: 0}], {LINKS: 1, INODES: 0, DEPTH: 4}),
    ],
)
def test_the_least_of_each_resource_counts_and_unknown_stays_unknown(
    given_parts: list[LayersLeft], expected: LayersLeft
) -> None:
    assert expected == least(given_parts)


@given(parts)
def test_the_least_is_that_of_all_parts_that_have_the_resource(
    given_parts: list[LayersLeft],
) -> None:
    having = {r: [p[r] for p in given_parts if r in p] for r in Resource}
    assert least(given_parts) == {
        r: None if None in values else min(n for n in values if n is not None)
        for r, values in having.items()
        if values
    }
    assert list(least(given_parts)) == [r for r in Resource if having[r]]


@given(parts, parts)
def test_the_least_of_leasts_is_the_least_of_all_in_any_order(
    some: list[LayersLeft], others: list[LayersLeft]
) -> None:
    whole = least([*some, *others])
    assert least([least(some), least(others)]) == whole
    assert least([*reversed(others), *reversed(some)]) == whole
