"""From what was counted to a report: layers, images and the root, without a disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from exporter.model import (
    Folder,
    ImageRecord,
    Kind,
    LayerRecord,
    Lineage,
    Problem,
    Reason,
    Resource,
    Tightest,
)
from exporter.thinking.findings import (
    MOST_PROBLEMS,
    Findings,
    LayerFigures,
    Terms,
    Words,
    bounded,
    findings,
)
from exporter.thinking.headroom import Tight
from exporter.thinking.tree import INODE_BITS

LINKS, INODES, DEPTH = Resource.LINKS, Resource.INODES, Resource.DEPTH
BOTH = Terms(frozenset({LINKS, INODES}), inodes_free=1612)

BASE = LayerRecord("sha256:1", "f1", None)
TOP = LayerRecord("sha256:2", "f2", "sha256:1")
SIDE = LayerRecord("sha256:3", "f3", None)
LAYERS = {layer.chain: layer for layer in (BASE, TOP, SIDE)}
BELOW = ImageRecord("sha256:a", ("sha256:1",), ("base:1",))
SHOP = ImageRecord("sha256:b", ("sha256:1", "sha256:2"), ("shop:1", "shop:latest"))
OTHER = ImageRecord("sha256:c", ("sha256:3",), ())
LINEAGE = Lineage(LAYERS, (BELOW, SHOP, OTHER))
KINDS = dict.fromkeys(("f1", "f2", "f3"), Kind.IMAGE)


def tight(left: int, links: int = 10, names: int = 1) -> Tight:
    return Tight(left, 7, links, names)


def told_as(left: int, folder: str, links: int = 10, names: int = 1) -> Tightest:
    return Tightest(left, folder, 7, links, names, f"/7 in {folder}")


def layer(folder: str, left: int | None = None, cost: int | None = 10) -> LayerFigures:
    """A layer's figures; without `left` its tree has no files."""
    return LayerFigures(
        Folder(folder, ("root",), "root", half_made=False, writable=False, changed=0.0),
        has_files=left is not None,
        tight=None if left is None else tight(left),
        cost=cost,
    )


COUNTED = {"f1": layer("f1", 30), "f2": layer("f2", 40, cost=20), "f3": layer("f3", 50)}
LOST = Problem("/r/overlay/f1/root/x", "cannot be read", Reason.UNREADABLE)


def found(
    counted: Mapping[str, LayerFigures] = COUNTED,
    *,
    lineage: Lineage = LINEAGE,
    kinds: Mapping[str, Kind] = KINDS,
    terms: Terms = BOTH,
) -> Findings:
    words = Words("/r/overlay", lambda folder, inode: f"/{inode} in {folder}")
    return findings(lineage, kinds, counted, terms, words)


def test_a_root_has_the_least_of_all_its_image_layers() -> None:
    told = found()
    assert told.layers_left == {LINKS: 30, INODES: 50, DEPTH: 123}
    assert (told.depth_max, told.coverage, told.problems) == (2, 1.0, ())
    assert told.tightest == told_as(30, "f1")
    assert told.tightest_images == ("base:1", "shop:1")


def test_an_image_has_the_figure_of_its_top_layer_and_the_least_of_its_chain() -> None:
    shop = next(i for i in found().images if i.id == SHOP.id)
    assert shop.layers_left == {LINKS: 40, INODES: 50, DEPTH: 123}
    assert shop.chain_layers_left == {LINKS: 30, INODES: 50, DEPTH: 123}
    assert (shop.names, shop.depth, shop.tightest) == (SHOP.tags, 2, told_as(40, "f2"))


def test_images_are_told_tightest_first_and_by_name_among_equals() -> None:
    equal = COUNTED | {"f1": layer("f1", 40), "f2": layer("f2", 40), "f3": layer("f3", 2)}
    assert [i.known_as for i in found().images] == ["base:1", "shop:1", "sha256:c"]
    assert [i.known_as for i in found(equal).images] == ["sha256:c", "shop:1", "base:1"]
    alike = replace(BELOW, id="sha256:d", tags=("alike:1",))
    both = replace(LINEAGE, images=(BELOW, alike))
    assert [i.known_as for i in found(lineage=both).images] == ["alike:1", "base:1"]


@pytest.mark.parametrize(
    "broken",
    [replace(COUNTED["f1"], changed=True), replace(COUNTED["f1"], problems=(LOST,))],
    ids=["changed", "unreadable"],
)
def test_a_layer_that_was_not_seen_whole_leaves_its_images_unknown(broken: LayerFigures) -> None:
    told = found(COUNTED | {"f1": broken})
    rows = {i.id: i for i in told.images}
    assert rows[BELOW.id].layers_left == {LINKS: None, INODES: None, DEPTH: 124}
    assert (rows[BELOW.id].chain_layers_left, rows[BELOW.id].tightest) == (None, None)
    assert rows[SHOP.id].layers_left == {LINKS: 40, INODES: 50, DEPTH: 123}
    assert rows[SHOP.id].chain_layers_left is None
    assert told.images[-1].id == BELOW.id
    assert told.coverage == 2 / 3
    assert told.layers_left == {LINKS: 30, INODES: 50, DEPTH: 123}  # at most


def test_a_layer_not_counted_yet_is_not_covered() -> None:
    told = found({"f2": COUNTED["f2"]})
    assert (told.coverage, told.layers_left[LINKS], told.problems) == (1 / 3, 40, ())
    assert {i.id: i.layers_left[LINKS] for i in told.images} == {
        SHOP.id: 40,
        BELOW.id: None,
        OTHER.id: None,
    }


def test_what_cannot_run_out_has_no_key_even_where_it_was_counted() -> None:
    assert found(terms=Terms(frozenset())).layers_left == {DEPTH: 123}
    told = found(terms=Terms(frozenset({INODES}), inodes_free=5))
    assert told.layers_left == {INODES: 0, DEPTH: 123}


def test_where_names_take_inodes_fewer_layers_fit() -> None:
    told = found(terms=Terms(frozenset({INODES}), inodes_free=1612, names_cost=True))
    assert told.layers_left == {INODES: 33, DEPTH: 123}


def test_an_unknown_limit_is_unknown_and_not_absent() -> None:
    unknown = {f: replace(figures, tight=None) for f, figures in COUNTED.items()}
    told = found(unknown)
    assert told.layers_left == {LINKS: None, INODES: 50, DEPTH: 123}
    assert (told.tightest, told.tightest_images) == (None, ())


def test_a_layer_without_files_cannot_run_out_of_links() -> None:
    told = found(COUNTED | {"f3": layer("f3")})
    (other,) = (i for i in told.images if i.id == OTHER.id)
    assert other.layers_left == {INODES: 72, DEPTH: 124}


def test_among_equally_tight_layers_that_with_most_links_is_told() -> None:
    even = COUNTED | {
        "f2": replace(COUNTED["f2"], tight=tight(30, 99)),
        "f3": replace(COUNTED["f3"], tight=tight(30, 99, 2)),
    }
    told = found(even)
    assert (told.tightest, told.tightest_images) == (
        told_as(30, "f3", 99, 2),
        (OTHER.id,),
    )
    assert found(dict(reversed(even.items()))).tightest == told.tightest


def test_among_equally_tight_layers_the_lowest_is_told_with_all_that_stand_on_it() -> None:
    told = found(COUNTED | {"f2": layer("f2", 30)})
    assert (told.tightest, told.tightest_images) == (told_as(30, "f1"), ("base:1", "shop:1"))


def test_an_inode_is_told_by_its_own_number_even_where_its_device_is_part_of_the_key() -> None:
    keyed = Tight(1, 77 << INODE_BITS | 7, 10, 1)
    told = found(COUNTED | {"f1": COUNTED["f1"].with_tight(keyed)})
    assert told.tightest == Tightest(1, "f1", 7, 10, 1, f"/{keyed.inode} in f1")


def test_an_image_without_layers_can_only_run_out_of_depth() -> None:
    told = found(lineage=Lineage(images=(ImageRecord("sha256:e", (), ()),)), counted={}, kinds={})
    (row,) = told.images
    assert (row.depth, row.layers_left, row.chain_layers_left) == (0, {DEPTH: 125}, {DEPTH: 125})
    assert (told.coverage, told.depth_max, told.layers_left) == (1.0, 0, {DEPTH: 125})


def test_folders_of_every_kind_are_counted_and_only_image_layers_give_figures() -> None:
    kinds = {**KINDS, "c": Kind.CONTAINER, "o": Kind.ORPHAN, "p": Kind.ORPHAN}
    told = found(COUNTED | {"o": layer("o", 0)}, kinds=kinds)
    assert told.layers == {
        Kind.IMAGE: 3,
        Kind.CONTAINER: 1,
        Kind.BUILDKIT: 0,
        Kind.PARTIAL: 0,
        Kind.ORPHAN: 2,
    }
    assert told.layers_left[LINKS] == 30


def test_what_is_wrong_with_a_layer_is_told_with_its_folder() -> None:
    hollow = replace(COUNTED["f2"].folder, trees=(), stacked=None)
    told = found(
        {
            "f2": LayerFigures(hollow),
            "f3": replace(COUNTED["f3"], changed=True),
        },
        kinds={"f2": Kind.IMAGE, "f3": Kind.IMAGE},
    )
    gone = "this folder of the layer sha256:1 is not there"
    assert told.problems == (
        Problem("/r/overlay/f1", gone, Reason.LINEAGE),
        Problem("/r/overlay/f2", "this folder of a layer holds no tree", Reason.LINEAGE),
        Problem("/r/overlay/f3", "the layer changed each time it was counted", Reason.CHANGED),
    )
    assert told.coverage == 0.0


def test_problems_beyond_two_hundred_of_a_reason_are_only_counted() -> None:
    many = [Problem(f"/{i}", "broken", Reason.LINEAGE) for i in range(MOST_PROBLEMS + 3)]
    one = Problem("/x", "hidden", Reason.MOUNT)
    assert bounded([one, *many]) == (
        one,
        *many[:MOST_PROBLEMS],
        Problem("", "and 3 more problems like these", Reason.LINEAGE),
    )
    assert bounded(many[:MOST_PROBLEMS]) == tuple(many[:MOST_PROBLEMS])
    assert bounded([]) == ()
