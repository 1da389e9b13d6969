"""The contract of every storage driver: what each of its folders is, however the driver lays it out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.demo.planted import PlantedRoot
from exporter.disk.drivers import DRIVERS, Driver, folders
from exporter.disk.images import read_lineage
from exporter.model import Folder, Kind, Lineage
from exporter.thinking.kinds import YOUNG_SECONDS, References, kind_of


@dataclass(frozen=True)
class Layout:
    """What the engine makes in a driver's folder. A name without a last slash is a file."""

    layer: tuple[str, ...]
    container: tuple[str, ...]
    buildkit: tuple[str, ...]
    making: tuple[str, ...]
    ignored: tuple[str, ...]
    stacked: str | None
    unrecorded: Kind  # a young container that the records do not name yet


LAYOUTS = {
    "overlay": Layout(
        layer=("root/",),
        container=("lower-id", "upper/", "work/", "merged/"),
        buildkit=("lower-id", "upper/", "work/"),
        making=("lower-id", "upper/", "work/", "tmproot123/"),
        ignored=("check-overlayfs-support123/",),
        stacked="root",
        unrecorded=Kind.CONTAINER,
    ),
    "overlay2": Layout(
        layer=("diff/", "link", "lower", "work/", "committed"),
        container=("diff/", "link", "lower", "work/", "merged/"),
        buildkit=("diff/", "link"),
        making=("diff/", "link", "lower", "work/"),
        ignored=("l/", "check-overlayfs-support123/"),
        stacked=None,
        unrecorded=Kind.PARTIAL,
    ),
}

LAYER, MOUNT, NOBODY = (digit * 64 for digit in "abc")
BUILDKIT = "x7" + "k" * 23


@dataclass(frozen=True)
class Case:
    """One driver's empty root, and what the engine makes in it."""

    driver: Driver
    layout: Layout
    root: PlantedRoot

    def make(self, id: str, names: tuple[str, ...]) -> Path:
        folder = self.root.home / id
        folder.mkdir()
        for name in names:
            (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()
        return folder

    def look(self) -> list[Folder]:
        fd = os.open(self.root.home, os.O_RDONLY | os.O_DIRECTORY)
        try:
            found, problems = folders(self.driver, fd, "/r")
        finally:
            os.close(fd)
        assert problems == []
        return found

    def kind(self, id: str, age: float = 0.0) -> Kind:
        """What a folder is when it is this old, by the records as they are."""
        lineage: Lineage = read_lineage(self.root.image_home, "/r/image")
        (folder,) = (f for f in self.look() if f.id == id)
        return kind_of(folder, References.of(lineage), folder.changed + age)


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.name)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """Each driver of the table its own empty root."""
    driver: Driver = request.param
    return Case(driver, LAYOUTS[driver.name], PlantedRoot(tmp_path / "docker", driver.name))


def test_every_driver_of_the_table_is_held_to_the_contract() -> None:
    assert [driver.name for driver in DRIVERS] == sorted(LAYOUTS)


def test_an_empty_home_holds_nothing(case: Case) -> None:
    assert case.look() == []


def test_each_folder_is_told_once_sorted_and_the_same_twice(case: Case) -> None:
    ids = [BUILDKIT, MOUNT, LAYER, f"{MOUNT}-init", NOBODY]
    for id in ids:
        case.make(id, case.layout.layer)
    assert [f.id for f in case.look()] == sorted(ids)
    assert case.look() == case.look()


def test_what_holds_no_layer_is_passed_over(case: Case) -> None:
    for name in case.layout.ignored:
        case.make(name.rstrip("/"), ())
    (case.root.home / "file").touch()
    (case.root.home / "link").symlink_to(case.make(LAYER, case.layout.layer).name)
    assert [f.id for f in case.look()] == [LAYER]


def test_a_layers_trees_are_those_that_hold_its_files(case: Case) -> None:
    case.make(LAYER, case.layout.layer)
    case.make(MOUNT, case.layout.container)
    layer, container = case.look()
    assert [*layer.trees] == [case.layout.layer[0].rstrip("/")]
    assert (layer.stacked, container.stacked) == (case.layout.stacked, None)
    assert len(container.trees) == 1
    assert "merged" not in container.trees
    assert "work" not in container.trees


def test_a_tree_that_is_a_symlink_or_a_file_is_no_tree(case: Case) -> None:
    tree = case.layout.layer[0].rstrip("/")
    (case.make(LAYER, ()) / tree).symlink_to("/")
    (case.make(MOUNT, ()) / tree).touch()
    assert [(f.trees, f.stacked) for f in case.look()] == [((), None)] * 2


def test_a_folder_is_as_old_as_its_last_change(case: Case) -> None:
    folder = case.make(LAYER, case.layout.layer)
    os.utime(folder, (0, 0))
    (found,) = case.look()
    assert found.changed == folder.stat().st_ctime  # a date set from outside makes nothing older


def test_a_name_that_is_no_text_is_told_as_the_system_gives_it(case: Case) -> None:
    os.mkdir(os.fsencode(case.root.home) + b"/no\xff")
    assert [f.id for f in case.look()] == ["no\udcff"]


Plant = Callable[[Case], str]


def a_layer(case: Case) -> str:
    (diff,) = case.root.layer((), lambda tree: None)
    return case.root.cache_id(diff)


def a_removed_layer(case: Case) -> str:
    (diff,) = case.root.layer((), lambda tree: None)
    record = case.root.image_home / "layerdb/sha256" / diff[7:]
    record.rename(record.with_name(f"{diff[7:]}-{'0' * 64}-removing"))
    (folder,) = case.look()
    return folder.id


def a_container(case: Case, id: str = MOUNT) -> str:
    record = case.root.image_home / "layerdb/mounts" / NOBODY
    record.mkdir()
    (record / "mount-id").write_text(MOUNT)
    (record / "init-id").write_text(f"{MOUNT}-init")
    return case.make(id, case.layout.container).name


PLANTS: dict[str, tuple[Plant, Kind, Kind]] = {
    "image": (a_layer, Kind.IMAGE, Kind.IMAGE),
    "container": (a_container, Kind.CONTAINER, Kind.CONTAINER),
    "-init": (lambda c: a_container(c, f"{MOUNT}-init"), Kind.CONTAINER, Kind.CONTAINER),
    "a young -init": (
        lambda c: c.make(f"{NOBODY}-init", c.layout.container).name,
        Kind.CONTAINER,
        Kind.ORPHAN,
    ),
    "BuildKit": (
        lambda c: c.make(BUILDKIT, c.layout.buildkit).name,
        Kind.BUILDKIT,
        Kind.BUILDKIT,
    ),
    "not known yet": (
        lambda c: c.make(NOBODY, c.layout.layer).name,
        Kind.PARTIAL,
        Kind.ORPHAN,
    ),
    "an empty folder": (lambda c: c.make(NOBODY, ()).name, Kind.PARTIAL, Kind.ORPHAN),
    "being removed": (a_removed_layer, Kind.PARTIAL, Kind.ORPHAN),
}


@pytest.mark.parametrize("what", PLANTS)
def test_a_folder_is_told_by_its_shape_its_records_and_its_age(case: Case, what: str) -> None:
    plant, young, old = PLANTS[what]
    id = plant(case)
    assert (young, old) == (case.kind(id), case.kind(id, 2 * YOUNG_SECONDS))


def test_a_young_container_is_told_by_its_shape_where_the_shape_tells(case: Case) -> None:
    case.make(NOBODY, case.layout.container)
    assert case.layout.unrecorded is case.kind(NOBODY)
    assert case.kind(NOBODY, 2 * YOUNG_SECONDS) is Kind.ORPHAN


def test_a_half_made_layer_is_partial(case: Case) -> None:
    case.make(NOBODY, case.layout.making)
    assert case.kind(NOBODY) is Kind.PARTIAL
    (found,) = case.look()
    assert [t for t in case.layout.making if t.rstrip("/") in found.trees]
    assert found.stacked is None


def test_a_tmproot_is_half_made_however_old_it_is(tmp_path: Path) -> None:
    overlay = next(d for d in DRIVERS if d.name == "overlay")
    case = Case(overlay, LAYOUTS["overlay"], PlantedRoot(tmp_path / "docker"))
    case.make(NOBODY, case.layout.making)
    assert case.kind(NOBODY, 2 * YOUNG_SECONDS) is Kind.PARTIAL
    (found,) = case.look()
    assert (found.trees, found.half_made) == (("upper", "tmproot123"), True)


def test_a_removal_that_began_now_keeps_an_old_layer_from_being_an_orphan(case: Case) -> None:
    id = a_removed_layer(case)
    (folder,) = case.look()
    lineage = read_lineage(case.root.image_home, "/r/image")
    later = References(frozenset(), frozenset(), {id: folder.changed + YOUNG_SECONDS})
    assert set(lineage.removing) == {id}
    assert kind_of(folder, later, folder.changed + YOUNG_SECONDS) is Kind.PARTIAL
