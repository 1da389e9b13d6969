"""Reading the engine's own records: layers, images, tags and containers, whole or broken."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.planted import PlantedRoot
from exporter.disk.images import MOST_BYTES, read_lineage
from exporter.model import ImageRecord, LayerRecord, Lineage, Problem, Reason
from exporter.thinking.chains import chain_ids

HOME = "/var/lib/docker/image/overlay"


def read(root: PlantedRoot) -> Lineage:
    return read_lineage(root.image_home, HOME)


def nothing(_tree: Path) -> None:
    """Change nothing in a layer."""


def tag(root: PlantedRoot, repositories: Any) -> None:
    (root.image_home / "repositories.json").write_text(json.dumps({"Repositories": repositories}))


def told(root: PlantedRoot) -> list[tuple[str, str, Reason]]:
    return [(p.where.removeprefix(f"{HOME}/"), p.what, p.reason) for p in read(root).problems]


def test_all_that_the_engine_wrote_is_read_back(planted: PlantedRoot) -> None:
    base = planted.layer((), nothing)
    top = planted.layer(base, nothing)
    below, above = chain_ids(top)
    step = planted.image(base)
    shop = planted.image(top, "shop:1.4", "reg.example:5000/shop:latest", parent=step)
    assert read(planted) == Lineage(
        layers={
            below: LayerRecord(below, planted.cache_id(below), None),
            above: LayerRecord(above, planted.cache_id(above), below),
        },
        images=(ImageRecord(shop, (below, above), ("reg.example:5000/shop:latest", "shop:1.4")),),
        parents={shop: step},
    )


def test_reading_twice_gives_the_same(planted: PlantedRoot) -> None:
    planted.image(planted.layer((), nothing), "a:1")
    assert read(planted) == read(planted)


def test_a_fresh_engines_records_are_empty_and_well(planted: PlantedRoot) -> None:
    assert read(planted) == Lineage()


def test_the_folders_of_containers_are_known(planted: PlantedRoot) -> None:
    mounts = planted.image_home / "layerdb/mounts"
    for name, files in {"c1": ("mount-id", "init-id", "parent"), "c2": ("mount-id",)}.items():
        (mounts / name).mkdir()
        for file in files:
            (mounts / name / file).write_text(f"{name}-{file}\n")
    assert read(planted) == Lineage(
        mounts={"c1": frozenset({"c1-mount-id", "c1-init-id"}), "c2": frozenset({"c2-mount-id"})}
    )


def test_a_layer_being_removed_is_no_layer_and_told_with_its_time(planted: PlantedRoot) -> None:
    (chain,) = chain_ids(planted.layer((), nothing))
    record = planted.image_home / "layerdb/sha256" / chain[7:]
    going = record.rename(record.with_name(f"{chain[7:]}-{'0' * 64}-removing"))
    since = going.stat().st_ctime
    assert read(planted) == Lineage(removing={(going / "cache-id").read_text(): since})
    (going / "cache-id").unlink()
    assert read(planted) == Lineage()


def test_a_layer_being_written_is_not_seen(planted: PlantedRoot) -> None:
    writing = planted.image_home / "layerdb/tmp/write-set-123"
    writing.mkdir()
    (writing / "cache-id").write_text(planted.new_id())
    (planted.image_home / "imagedb/content/sha256/.tmp-123").write_text("{")
    assert read(planted) == Lineage()


@pytest.mark.parametrize(
    ("repositories", "tags"),
    [
        ({"a": {"a:1": "ID", "a:2": "ID"}, "b/c": {"b/c:1": "ID"}}, ("a:1", "a:2", "b/c:1")),
        ({"a": {"a@sha256:77": "ID", "a:1": "ID"}}, ("a:1",)),
        ({"a": {"a@sha256:77": "ID"}}, ()),
        ({"a": {"a:new\nline\x1b[1m": "ID"}}, ("a:new\\x0aline\\x1b[1m",)),
        ({"a": {"a:\ud800": "ID"}}, ("a:\\ud800",)),
        ({"a": {}}, ()),
        ({}, ()),
    ],
)
def test_the_tags_of_an_image_are_sorted_and_fit_to_be_shown(
    planted: PlantedRoot, repositories: dict[str, dict[str, str]], tags: tuple[str, ...]
) -> None:
    id = planted.image(planted.layer((), nothing))
    tag(planted, {name: dict.fromkeys(refs, id) for name, refs in repositories.items()})
    lineage = read(planted)
    assert (lineage.images[0].tags, lineage.problems) == (tags, ())


@pytest.mark.parametrize("config", ['{"rootfs":{}}', '{"rootfs":{"diff_ids":null}}'])
def test_an_image_may_have_no_layers(planted: PlantedRoot, config: str) -> None:
    (planted.image_home / f"imagedb/content/sha256/{'a' * 64}").write_text(config)
    assert read(planted) == Lineage(images=(ImageRecord(f"sha256:{'a' * 64}", (), ()),))


def test_records_that_are_not_there_are_told_one_by_one(tmp_path: Path) -> None:
    assert read_lineage(tmp_path, HOME) == Lineage(
        readable=False,
        problems=(
            Problem(f"{HOME}/layerdb/sha256", "is not there", Reason.LINEAGE),
            Problem(f"{HOME}/imagedb/content/sha256", "is not there", Reason.IMAGE),
        ),
    )


@pytest.mark.parametrize(
    ("file", "raw", "said"),
    [
        ("cache-id", "", "its cache-id is not the name of a driver's folder"),
        ("cache-id", "../etc", "its cache-id is not the name of a driver's folder"),
        ("cache-id", "a" * 129, "its cache-id is not the name of a driver's folder"),
        ("cache-id", "é", "cache-id holds bytes that are not text"),
        ("cache-id", "a" * 4097, "cache-id is longer than 4096 bytes"),
        ("parent", "", "its parent is not a chain id"),
        ("parent", "0" * 64, "its parent is not a chain id"),
        ("parent", f"sha256:{'0' * 64}", f"its parent sha256:{'0' * 64} is not in layerdb"),
    ],
)
def test_a_broken_layer_is_told_in_words_and_the_rest_is_read(
    planted: PlantedRoot, file: str, raw: str, said: str
) -> None:
    good, bad = (chain_ids(planted.layer((), nothing))[0] for _ in range(2))
    (planted.image_home / "layerdb/sha256" / bad[7:] / file).write_text(raw)
    assert told(planted) == [(f"layerdb/sha256/{bad[7:]}", said, Reason.LINEAGE)]
    assert good in read(planted).layers


def test_two_layers_never_share_a_folder(planted: PlantedRoot) -> None:
    first, second = sorted(chain_ids(planted.layer((), nothing))[0] for _ in range(2))
    cache_id = planted.image_home / "layerdb/sha256" / second[7:] / "cache-id"
    cache_id.write_text(planted.cache_id(first))
    what = f"its cache-id is that of {first[7:]} too"
    assert told(planted) == [(f"layerdb/sha256/{second[7:]}", what, Reason.LINEAGE)]
    assert list(read(planted).layers) == [first]


@pytest.mark.parametrize(
    ("folder", "what", "reason"),
    [
        ("layerdb/sha256", "its name is not a chain id", Reason.LINEAGE),
        ("imagedb/content/sha256", "its name is not an image id", Reason.IMAGE),
    ],
)
def test_a_foreign_name_among_the_records_is_told_as_text(
    planted: PlantedRoot, folder: str, what: str, reason: Reason
) -> None:
    os.mkdir(os.fsencode(planted.image_home / folder) + b"/no\xff")
    assert told(planted) == [(f"{folder}/no\\xff", what, reason)]


@pytest.mark.parametrize("kind", ["fifo", "symlink", "folder", "long"])
def test_only_regular_files_of_a_bounded_length_are_read(planted: PlantedRoot, kind: str) -> None:
    place = planted.image_home / "repositories.json"
    place.unlink()
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "symlink":
        place.symlink_to("/etc/passwd")
    elif kind == "folder":
        place.mkdir()
    else:
        with place.open("wb") as file:
            file.truncate(MOST_BYTES + 1)  # a hole: it takes no room
    said = {
        "fifo": ("is not a regular file", Reason.IMAGE),
        "symlink": ("cannot be read: Too many levels of symbolic links", Reason.UNREADABLE),
        "folder": ("is not a regular file", Reason.IMAGE),
        "long": (f"is longer than {MOST_BYTES} bytes", Reason.IMAGE),
    }
    assert told(planted) == [("repositories.json", *said[kind])]


def test_an_image_whose_layers_are_gone_is_told_once_with_the_lowest(planted: PlantedRoot) -> None:
    diffs = planted.layer(planted.layer((), nothing), nothing)
    id = planted.image(diffs, "lost:1")
    for chain in chain_ids(diffs):
        shutil.rmtree(planted.image_home / "layerdb/sha256" / chain[7:])
    what = f"its layer {chain_ids(diffs)[0]} is not in layerdb"
    assert told(planted) == [(f"imagedb/content/sha256/{id[7:]}", what, Reason.IMAGE)]
