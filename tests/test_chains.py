"""Lineage as arithmetic: chain ids, depth, where a chain breaks, and which images are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import ImageRecord, LayerRecord
from exporter.thinking.chains import broken, chain_ids, depths, shown, standing_on

IDS = [f"c{i}" for i in range(10)]
parents = st.dictionaries(st.sampled_from(IDS), st.none() | st.sampled_from([*IDS, "missing"]))


def records(parent_of: Mapping[str, str | None]) -> dict[str, LayerRecord]:
    return {chain: LayerRecord(chain, f"of-{chain}", p) for chain, p in parent_of.items()}


def way_down(parent_of: Mapping[str, str | None], chain: str) -> list[str | None]:
    """Follow the parents for more steps than there are layers, or to where the way ends."""
    way: list[str | None] = [chain]
    while (step := way[-1]) is not None and step in parent_of and len(way) <= len(parent_of) + 1:
        way.append(parent_of[step])
    return way


def sha(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_a_chain_id_is_the_hash_of_the_chain_below_and_the_diff() -> None:
    a, b, c = sha("a"), sha("b"), sha("c")
    assert (a, sha(f"{a} {b}"), sha(f"{sha(f'{a} {b}')} {c}")) == chain_ids([a, b, c])


def test_no_diffs_make_no_chain() -> None:
    assert chain_ids([]) == ()


@given(st.lists(st.sampled_from("abc").map(sha), max_size=6))
def test_a_longer_image_keeps_the_chain_ids_of_what_it_stands_on(diffs: list[str]) -> None:
    whole = chain_ids(diffs)
    assert len(whole) == len(diffs)
    assert [chain_ids(diffs[:n]) for n in range(len(diffs))] == [
        whole[:n] for n in range(len(diffs))
    ]
    assert len(set(whole)) == len(whole)


@given(parents)
def test_a_layer_is_one_deeper_than_its_parent_and_a_base_is_1(
    parent_of: dict[str, str | None],
) -> None:
    found = depths(records(parent_of))
    for chain, depth in found.items():
        below = parent_of[chain]
        assert depth == (1 if below is None else found[below] + 1)


@given(parents)
def test_exactly_the_layers_whose_way_ends_at_a_base_have_a_depth(
    parent_of: dict[str, str | None],
) -> None:
    assert set(depths(records(parent_of))) == {
        chain for chain in parent_of if way_down(parent_of, chain)[-1] is None
    }


@given(parents)
def test_a_break_is_told_at_each_layer_where_it_is_and_nowhere_else(
    parent_of: dict[str, str | None],
) -> None:
    missing = {c for c, p in parent_of.items() if p is not None and p not in parent_of}
    loops = {c for c in parent_of if c in way_down(parent_of, c)[1:]}
    told = {layer.chain: what for layer, what in broken(records(parent_of))}
    assert {
        **{c: f"its parent {parent_of[c]} is not in layerdb" for c in missing},
        **dict.fromkeys(loops, "its chain of parents comes back to itself"),
    } == told


@given(parents.flatmap(lambda p: st.tuples(st.just(p), st.permutations(list(p)))))
def test_the_order_in_which_layers_are_read_does_not_matter(
    case: tuple[dict[str, str | None], list[str]],
) -> None:
    parent_of, order = case
    straight, mixed = records(parent_of), records({c: parent_of[c] for c in order})
    assert depths(straight) == depths(mixed)
    assert {(r.chain, w) for r, w in broken(straight)} == {(r.chain, w) for r, w in broken(mixed)}


def test_a_layer_that_is_its_own_parent_is_a_loop() -> None:
    layers = records({"a": "a", "b": "a"})
    assert depths(layers) == {}
    assert [(r.chain, w) for r, w in broken(layers)] == [
        ("a", "its chain of parents comes back to itself")
    ]


def test_a_very_long_chain_is_numbered_without_recursion() -> None:
    count = 20_000
    layers = records({str(i): str(i - 1) if i else None for i in reversed(range(count))})
    assert depths(layers) == {str(i): i + 1 for i in range(count)}


A, B, C = (sha(x) for x in ("image a", "image b", "image c"))


def rows(
    parent_of: dict[str, str], references: dict[str, list[str]]
) -> list[tuple[str, tuple[str, ...]]]:
    diffs = {A: [sha("1")], B: [sha("1"), sha("2")], C: [sha("3")]}
    return [(row.id, row.tags) for row in shown(diffs, parent_of, references)]


@pytest.mark.parametrize(
    ("parent_of", "references", "expected"),
    [
        ({}, {}, {A: (), B: (), C: ()}),
        ({B: A}, {}, {B: (), C: ()}),
        ({B: A}, {A: ["base:1"]}, {A: ("base:1",), B: (), C: ()}),
        ({B: A}, {A: [f"base@{A}"]}, {A: (), B: (), C: ()}),
        ({B: A, C: B}, {C: ["x:2", f"x@{C}", "x:1"]}, {C: ("x:1", "x:2")}),
        ({sha("gone"): A}, {}, {A: (), B: (), C: ()}),
        ({}, {sha("gone"): ["lost:1"]}, {A: (), B: (), C: ()}),
    ],
    ids=[
        "without names all are shown",
        "a step of a build is not",
        "a tagged step is",
        "a step named by its digest is, without a tag",
        "tags are sorted and digests are none",
        "an image that is gone steps over nothing",
        "a tag on an image that is gone shows nothing",
    ],
)
def test_images_are_shown_as_docker_images_does(
    parent_of: dict[str, str],
    references: dict[str, list[str]],
    expected: dict[str, tuple[str, ...]],
) -> None:
    assert sorted(expected.items()) == rows(parent_of, references)


def test_an_image_carries_the_chain_from_its_base_to_its_top() -> None:
    (row,) = shown({A: [sha("1"), sha("2")]}, {}, {})
    assert ImageRecord(A, (sha("1"), sha(f"{sha('1')} {sha('2')}")), ()) == row


def test_the_images_on_a_layer_are_those_whose_chain_holds_it() -> None:
    low, high = ImageRecord(A, ("1",), ()), ImageRecord(B, ("1", "2"), ())
    assert [standing_on([low, high], chain) for chain in ("1", "2", "3")] == [
        (low, high),
        (high,),
        (),
    ]
