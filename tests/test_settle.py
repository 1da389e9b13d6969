"""Links of files that are not asked one by one: what is kept is what a fresh look finds.

Only a few members of each kin are asked at a look, and the tightest inodes; here none is asked for
being tight, so that the kin alone must tell.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Container
from pathlib import Path

import pytest
from looking import as_json, ledger_of, look_one
from removal import begin_removal, remove_layer

from exporter.demo.planted import PlantedRoot
from exporter.disk.count import Home
from exporter.looking import settle
from exporter.looking.scan import LiveRoot
from exporter.model import Root
from exporter.thinking.chains import chain_ids
from exporter.thinking.tree import Tree


@pytest.fixture
def only_kin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be asked for being tight."""
    monkeypatch.setattr(settle, "WATCHED", 0)


def files(count: int) -> Callable[[Path], object]:
    def made(tree: Path) -> None:
        for i in range(count):
            (tree / f"n{i:04}").touch()

    return made


def nothing(_: Path) -> None:
    """Change nothing."""


def live_on(root: PlantedRoot) -> LiveRoot:
    live = LiveRoot(Root(str(root.path), root.path))
    live.look(lambda _: None)
    return live


def check(live: LiveRoot, root: PlantedRoot) -> None:
    """See that what is kept is what is there."""
    (kept,) = live.look(lambda _: None)
    fresh = look_one(root.path)
    assert (kept.links_max, kept.inodes_over) == (fresh.links_max, fresh.inodes_over)
    rows = [
        [(row["name"], row["layers_left"]["links"], row["tightest"]) for row in report["images"]]
        for report in (as_json(kept), as_json(fresh))
    ]
    assert rows[0] == rows[1]
    assert (kept.scan.complete, kept.problems) == (True, ())


def begun(root: PlantedRoot, below: tuple[str, ...], names: list[str]) -> Path:
    """Begin a layer as the engine does: some names are linked, the rest not yet."""
    made = root.home / root.new_id() / "tmproot1"
    made.mkdir(parents=True)
    for name in names:
        os.link(root.tree(below) / name, made / name)
    return made


@pytest.mark.parametrize("linked", [slice(1), slice(1, None), slice(20), slice(-1, None)])
def test_a_copy_that_is_seen_half_way_and_then_ends(
    planted: PlantedRoot, only_kin: None, linked: slice
) -> None:
    base = planted.layer((), files(40))
    planted.image(base, "a:1")
    live = live_on(planted)
    names = os.listdir(planted.tree(base))
    made = begun(planted, base, names[linked])
    live.look(lambda _: None)
    check(live, planted)
    for name in set(names) - set(names[linked]):
        os.link(planted.tree(base) / name, made / name)
    check(live, planted)
    shutil.rmtree(made.parent)
    check(live, planted)


@pytest.mark.parametrize("gone", [slice(1), slice(1, None), slice(20)])
def test_a_removal_that_is_seen_half_way_and_then_ends(
    planted: PlantedRoot, only_kin: None, gone: slice
) -> None:
    base = planted.layer((), files(40))
    planted.image(base, "a:1")
    child = planted.layer(base, nothing)
    live = live_on(planted)
    tree = planted.tree(child)
    record = planted.image_home / "layerdb/sha256" / chain_ids(child)[-1][7:]
    going = record.with_name(f"{record.name}-{'a' * 64}-removing")
    record.rename(going)
    for name in os.listdir(tree)[gone]:
        (tree / name).unlink()
    live.look(lambda _: None)
    shutil.rmtree(tree.parent)
    shutil.rmtree(going)
    check(live, planted)


@pytest.mark.parametrize("count", [1, 10, 30, 59])
def test_a_removal_that_ends_half_way_is_told_as_it_is(
    planted: PlantedRoot, only_kin: None, count: int
) -> None:
    """The engine was killed: it removes the folders in the order in which they are listed (Go's os.RemoveAll)."""

    def fill(tree: Path) -> None:
        for folder in "abc":
            (tree / folder).mkdir()
            files(20)(tree / folder)

    base = planted.layer((), fill)
    planted.image(base, "a:1")
    child = planted.layer(base, nothing)
    live = live_on(planted)
    _, tree = begin_removal(planted, child)
    in_order = [
        tree / folder / name for folder in os.listdir(tree) for name in os.listdir(tree / folder)
    ]
    for file in in_order[:count]:
        file.unlink()
    check(live, planted)


def test_a_layer_that_is_stacked_while_its_base_is_walked(
    planted: PlantedRoot, only_kin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = planted.layer((), files(3000))
    planted.image(base, "a:1")
    walk = Home.walk

    class Meanwhile(dict[int, int]):
        """Link counts that are noted one by one; the engine builds a layer after so many."""

        def setdefault(self, inode: int, count: int = 0, /) -> int:
            if len(self) == 1200:
                planted.image(planted.layer(base, nothing), "a:2")
            return super().setdefault(inode, count)

    def walked(
        self: Home, id: str, name: str, links: dict[int, int], known: Container[int]
    ) -> Tree:
        noted = Meanwhile()
        tree = walk(self, id, name, noted, known)
        links |= noted
        return tree

    monkeypatch.setattr(Home, "walk", walked)
    live = live_on(planted)
    monkeypatch.undo()
    check(live, planted)


def test_kin_that_a_layer_parts_are_both_told_afterwards(
    planted: PlantedRoot, only_kin: None
) -> None:
    base = planted.layer((), files(3000))
    planted.image(base, "a:1")
    live = live_on(planted)
    others = [planted.layer(base, nothing) for _ in range(2)]
    live.look(lambda _: None)

    def remove_most(tree: Path) -> None:
        for name in os.listdir(tree)[1000:]:
            (tree / name).unlink()

    planted.layer(base, remove_most)
    live.look(lambda _: None)
    for other in others:
        remove_layer(planted, other)
    check(live, planted)


def test_files_below_a_path_that_is_too_long_for_one_call(
    planted: PlantedRoot, only_kin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deep(tree: Path) -> None:
        fd = os.open(tree, os.O_RDONLY)
        for _ in range(20):
            os.mkdir("d" * 250, dir_fd=fd)
            below = os.open("d" * 250, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
        os.close(os.open("x0", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        for i in range(1, 100):
            os.link("x0", f"x{i}", src_dir_fd=fd, dst_dir_fd=fd)
        os.close(fd)

    def clone(parent: Path, made: Path) -> None:
        """Link as the engine does, step by step: `made` has the one file under all its names."""
        made.mkdir()
        deep(made)
        source = os.open(parent, os.O_RDONLY)
        target = os.open(made, os.O_RDONLY)
        for _ in range(20):
            source = os.open("d" * 250, os.O_RDONLY, dir_fd=source)
            target = os.open("d" * 250, os.O_RDONLY, dir_fd=target)
        for i in range(100):
            os.unlink(f"x{i}", dir_fd=target)
            os.link(f"x{i}", f"x{i}", src_dir_fd=source, dst_dir_fd=target)

    monkeypatch.setattr(planted, "clone", clone)
    chain = planted.layer((), deep)
    planted.image(chain, "a:1")
    live = live_on(planted)
    for _ in range(3):
        chain = planted.layer(chain, nothing)
    planted.image(chain, "a:2")
    (kept,) = live.look(lambda _: None)
    assert (kept.links_max, kept.problems) == (400, ())
    check(live, planted)


def test_a_strangers_links_on_the_tightest_file_are_seen_wherever_it_was_walked(
    planted: PlantedRoot, tmp_path: Path
) -> None:
    base = planted.layer((), files(3000))
    planted.image(base, "a:1")
    victim = planted.tree(base) / os.listdir(planted.tree(base))[2500]
    for i in range(50):
        os.link(victim, tmp_path / f"{i}")
    live = live_on(planted)
    for i in range(50, 100):
        os.link(victim, tmp_path / f"{i}")
    check(live, planted)


def test_one_file_with_many_links_does_not_hide_the_next_tightest(
    planted: PlantedRoot, tmp_path: Path
) -> None:
    loose = planted.layer((), files(1100))
    planted.image(loose, "loose:1")
    tight = planted.layer((), files(20))
    for _ in range(3):
        tight = planted.layer(tight, nothing)
    planted.image(tight, "tight:1")
    one = planted.tree(loose) / os.listdir(planted.tree(loose))[0]
    for i in range(50):
        os.link(one, tmp_path / f"{i}")
    live = live_on(planted)
    next_one = planted.tree(tight) / os.listdir(planted.tree(tight))[5]
    for i in range(10):
        os.link(next_one, tmp_path / f"next{i}")
    check(live, planted)


def test_a_strangers_link_makes_no_layer_be_searched(planted: PlantedRoot, tmp_path: Path) -> None:
    def two_names(tree: Path) -> None:
        for i in range(10):
            (tree / f"f{i}").touch()
            os.link(tree / f"f{i}", tree / f"g{i}")

    base = planted.layer((), two_names)
    for i in range(8):
        planted.image(planted.layer(base, lambda t: (t / "own").touch()), f"a:{i}")
    live = live_on(planted)
    os.link(planted.tree(base) / "f5", tmp_path / "f5")
    check(live, planted)
    assert ledger_of(live).searched.total() == 0


def test_a_layer_whose_files_are_not_where_they_were_is_counted_again_at_once(
    planted: PlantedRoot,
) -> None:
    base = planted.layer((), files(5))
    planted.image(base, "a:1")
    live = live_on(planted)
    for name in os.listdir(planted.tree(base)):  # no engine does this
        (planted.tree(base) / name).rename(planted.tree(base) / f"other-{name}")
    check(live, planted)
