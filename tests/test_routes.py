"""The order in which layers are counted, and what each of them is told from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.model import LayerRecord
from exporter.thinking.routes import Family, family_of, plan

BASE = 1000


def chain(word: str, layers: int, below: LayerRecord | None = None) -> list[LayerRecord]:
    """Stack layers that are called a1, a2 ..., in folders of the same names."""
    found: list[LayerRecord] = []
    for i in range(layers):
        below = LayerRecord(f"{word}{i + 1}", f"{word}{i + 1}", below.chain if below else None)
        found.append(below)
    return found


def family(*layers: LayerRecord, sizes: dict[str, int] | None = None) -> Family:
    by_chain = {layer.chain: layer for layer in layers}
    usual = {layer.chain: BASE if layer.parent is None else 10 for layer in layers}
    return family_of(by_chain, usual | (sizes or {}))


def test_a_chain_is_walked_at_its_top_and_told_from_there() -> None:
    found = plan(family(*chain("a", 4)), [], ["a4"], ["a1", "a2", "a3", "a4"])
    assert found == [("a4", None), ("a3", "a4"), ("a2", "a3"), ("a1", "a2")]


def test_tops_that_share_a_base_are_told_from_the_first() -> None:
    shared = chain("s", 3)
    layers = [*shared, *chain("a", 2, shared[-1]), *chain("b", 2, shared[-1])]
    found = plan(family(*layers), [], ["a2", "b2"], [layer.cache_id for layer in layers])
    assert found[:5] == [("a2", None), ("a1", "a2"), ("s3", "a1"), ("b1", "s3"), ("b2", "b1")]
    assert sorted(found[5:]) == [("s1", "s2"), ("s2", "s3")]


def test_a_way_that_costs_more_than_a_walk_is_not_taken() -> None:
    layers = chain("a", 3)
    found = plan(family(*layers, sizes={"a2": 600}), [], ["a3"], ["a1", "a2"])
    assert found == [("a3", None), ("a2", "a3"), ("a1", None)]


def test_cheap_steps_come_first() -> None:
    base = chain("s", 1)
    layers = [*base, *chain("a", 1, base[0]), *chain("b", 1, base[0])]
    sizes = {"a1": 40, "b1": 20}
    found = plan(family(*layers, sizes=sizes), ["s1"], [], ["a1", "b1"])
    assert found == [("b1", "s1"), ("a1", "s1")]


def test_what_is_no_image_layer_is_walked() -> None:
    assert plan(Family(), [], [], ["x", "y"]) == [("x", None), ("y", None)]


def test_layers_that_stand_on_each_other_in_a_circle_are_still_counted() -> None:
    layers = {"a": LayerRecord("a", "a", "b"), "b": LayerRecord("b", "b", "a")}
    found = plan(family_of(layers, {"a": 1, "b": 1}), [], ["a"], ["a", "b"])
    assert [folder for folder, _ in found] == ["a", "b"]


@given(st.data())
def test_every_folder_is_counted_once_and_its_source_before_it(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 30))
    layers: dict[str, LayerRecord] = {}
    for i in range(count):
        parent = data.draw(st.none() | st.sampled_from([str(n) for n in range(i + 1)]))
        layers[str(i)] = LayerRecord(str(i), f"f{i}", parent)
    some = st.sets(st.sampled_from(sorted(layers)))
    sizes = {chain: data.draw(st.integers(0, 500)) for chain in data.draw(some)}
    folders = [f"f{i}" for i in range(count)]
    counted = data.draw(st.sets(st.sampled_from(folders)))
    tops = [f for f in data.draw(st.sets(st.sampled_from(folders))) if f not in counted]
    rest = [f for f in folders if f not in counted]
    steps = plan(family_of(layers, sizes), counted, tops, rest)
    assert sorted(folder for folder, _ in steps) == sorted(rest)
    known = set(counted)
    for folder, source in steps:
        assert source is None or source in known
        known.add(folder)
