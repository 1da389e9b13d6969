"""The walk of one tree on a real disk: what it counts, how little it opens, and what may move."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from looking import whole

from exporter.disk.walk import HELD, OPEN_DIR, Ground, walk
from exporter.model import Problem, Reason
from exporter.thinking.tree import INODE_BITS, Tree


class Watched(dict[int, int]):
    """Link counts that call back each time the walk looks for an inode: we see it in mid-step."""

    def __init__(self, seen: Callable[[], object]) -> None:
        super().__init__()
        self.seen = seen
        self.asked = 0

    def __contains__(self, key: object) -> bool:
        self.asked += 1
        self.seen()
        return super().__contains__(key)


def walked(top: Path, links: dict[int, int] | None = None, *, ground: Ground | None = None) -> Tree:
    fd = os.open(top, OPEN_DIR)
    try:
        known = {} if links is None else links
        return walk(fd, str(top), ground or Ground(os.stat(fd).st_dev), known)
    finally:
        os.fstat(fd)  # it is still open
        os.close(fd)


def inode(path: Path) -> int:
    return path.lstat().st_ino


def opened() -> int:
    return len(os.listdir("/proc/self/fd"))


def chain_of_folders(top: Path, levels: int) -> Path:
    bottom = top.joinpath(*["d"] * levels)
    bottom.mkdir(parents=True)
    return bottom


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A tree: three names of one file, another file, folders; and a name outside of it."""
    tree = tmp_path / "root"
    (tree / "d/e").mkdir(parents=True)
    (tree / "f-g").mkdir()
    (tree / "f").mkdir()
    (tree / "f/many").write_text("x")
    (tree / "single").write_text("x")
    for name in (tree / "d/e/many", tree / "f-g/many", tmp_path / "outside"):
        os.link(tree / "f/many", name)
    return tree


def test_names_are_counted_in_the_tree_and_links_by_the_kernel(top: Path) -> None:
    links: dict[int, int] = {}
    tree = walked(top, links)
    many, single = inode(top / "f/many"), inode(top / "single")
    assert tree.names == {many: 3, single: 1}
    assert links == {many: 4, single: 1}
    assert (tree.entries, tree.made_anew, whole(tree)) == (8, 5, True)


def test_each_inode_is_told_with_its_smallest_path(top: Path) -> None:
    os.link(top / "single", top / "f-g/a")
    os.link(top / "single", top / "d/z")
    tree = walked(top)
    assert {tree.path_of(i) for i in tree.names} == {"/d/e/many", "/d/z"}
    (top / "d/e/many").unlink()
    assert walked(top).path_of(inode(top / "f/many")) == "/f-g/many"


def test_an_inode_known_from_another_layer_is_not_asked_again(top: Path) -> None:
    many = inode(top / "f/many")
    links = {many: 777}
    assert walked(top, links).names[many] == 3
    assert links == {many: 777, inode(top / "single"): 1}


def test_an_inode_that_is_known_elsewhere_is_counted_and_not_asked(top: Path) -> None:
    many, single = inode(top / "f/many"), inode(top / "single")
    links: dict[int, int] = {}
    fd = os.open(top, OPEN_DIR)
    try:
        tree = walk(fd, str(top), Ground(os.stat(fd).st_dev), links, {many})
    finally:
        os.close(fd)
    assert (tree.names, links) == ({many: 3, single: 1}, {single: 1})


def test_an_empty_tree_is_one_folder(tmp_path: Path) -> None:
    tree = walked(tmp_path)
    assert (tree.names, tree.entries, tree.made_anew, whole(tree)) == ({}, 0, 1, True)


def test_symlinks_and_specials_are_not_files_even_with_many_names(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    os.link(tmp_path / "fifo", tmp_path / "fifo2")
    (tmp_path / "nothing").symlink_to("nothing")
    os.link(tmp_path / "nothing", tmp_path / "nothing2", follow_symlinks=False)
    links: dict[int, int] = {}
    tree = walked(tmp_path, links)
    assert (tree.names, links, tree.symlinks, tree.specials) == ({}, {}, 2, 2)
    assert tree.made_anew == 5


@pytest.mark.parametrize("target", ["../other", "/", ".", ".."])
def test_a_symlinked_directory_is_never_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("x")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/link").symlink_to(target)
    tree = walked(tmp_path / "root")
    assert (tree.names, tree.symlinks, tree.entries, whole(tree)) == ({}, 1, 1, True)


def test_where_entries_carry_no_inode_each_name_is_asked_and_keyed_by_device(top: Path) -> None:
    device = top.stat().st_dev
    links: dict[int, int] = {}
    tree = walked(top, links, ground=Ground(device, inode_in_entry=False))
    many, single = (device << INODE_BITS | inode(top / n) for n in ("f/many", "single"))
    assert tree.names == {many: 3, single: 1}
    assert links == {many: 4, single: 1}
    assert tree.path_of(many) == "/d/e/many"
    assert (tree.entries, whole(tree)) == (8, True)


def test_few_directories_are_open_at_a_time_however_deep_the_tree(tmp_path: Path) -> None:
    bottom = chain_of_folders(tmp_path / "root", 4 * HELD)
    for folder in (bottom, bottom.parents[HELD], bottom.parents[3 * HELD], tmp_path / "root"):
        (folder / "file").write_text("x")
        (folder / "z").mkdir()
    counts: list[int] = []
    links = Watched(lambda: counts.append(opened()))
    before = opened()
    tree = walked(tmp_path / "root", links)
    assert (len(tree.directories), tree.regular, whole(tree)) == (4 * HELD + 1 + 4, 4, True)
    assert len(counts) == 4
    assert max(counts) <= before + 1 + HELD + 2  # the caller's, and what the listing itself takes
    assert opened() == before


def test_a_directory_moved_away_while_we_are_below_it_ends_the_walk_quietly(
    tmp_path: Path,
) -> None:
    bottom = chain_of_folders(tmp_path / "root", 2 * HELD)
    (bottom / "file").write_text("x")
    links = Watched(lambda: (tmp_path / "root/d/d").rename(tmp_path / "away"))
    before = opened()
    tree = walked(tmp_path / "root", links)
    assert links.asked == 1
    assert (tree.changed, whole(tree), tree.problems, tree.regular) == (True, False, [], 1)
    assert opened() == before


def swapped(folder: Path, other: Callable[[], object]) -> Callable[[], None]:
    """Put something else in a folder's place, once."""

    def swap() -> None:
        if not (folder.parent / "was").exists():
            folder.rename(folder.parent / "was")
            other()

    return swap


@pytest.mark.parametrize(
    ("how", "inode_in_entry"),
    [
        *((how, True) for how in ("gone", "file", "folder", "symlink")),
        *((how, False) for how in ("gone", "file", "symlink")),
    ],
)
def test_a_directory_replaced_before_it_is_entered_is_not_counted(
    tmp_path: Path, how: str, inode_in_entry: bool
) -> None:
    top, below = tmp_path / "root", tmp_path / "root/d"
    below.mkdir(parents=True)
    (top / "file").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    for n in range(3):
        (below / f"old{n}").write_text("x")
        (tmp_path / f"elsewhere/new{n}").write_text("x")
    replace: dict[str, Callable[[], object]] = {
        "gone": lambda: None,
        "file": below.touch,
        "folder": lambda: (tmp_path / "elsewhere").rename(below),
        "symlink": lambda: below.symlink_to(tmp_path / "elsewhere"),
    }
    ground = Ground(top.stat().st_dev, inode_in_entry)
    tree = walked(top, Watched(swapped(below, replace[how])), ground=ground)
    assert (tree.changed, tree.problems, tree.regular) == (True, [], 1)


@pytest.mark.parametrize("inode_in_entry", [True, False])
def test_a_file_that_vanished_before_it_was_asked_is_life_not_trouble(
    tmp_path: Path, inode_in_entry: bool
) -> None:
    (tmp_path / "root").mkdir()
    for name in "abc":
        (tmp_path / "root" / name).write_text(name)
    links = Watched(lambda: shutil.rmtree(tmp_path / "root", ignore_errors=True))
    ground = Ground(tmp_path.stat().st_dev, inode_in_entry)
    tree = walked(tmp_path / "root", links, ground=ground)
    assert (tree.changed, tree.problems) == (True, [])
    # Where each name is asked first, one was seen before all went.
    assert (tree.regular, len(links)) == ((0, 0) if inode_in_entry else (1, 1))


@pytest.mark.parametrize("covered", ["f", "single"])
def test_a_name_that_a_mount_covers_is_told_and_not_counted(top: Path, covered: str) -> None:
    status = top.stat()
    hidden = {(status.st_dev, status.st_ino): frozenset({covered})}
    tree = walked(top, ground=Ground(status.st_dev, covered=hidden))
    what = "another mount covers it, so that part of the layer is not counted"
    assert [Problem(f"{top}/{covered}", what, Reason.MOUNT)] == tree.problems
    assert tree.regular == 3
    assert not whole(tree)


def test_a_tree_on_another_device_is_told_and_not_entered(top: Path) -> None:
    tree = walked(top, ground=Ground(top.stat().st_dev + 1))
    assert (tree.entries, tree.names) == (0, {})
    assert [(p.where, p.reason) for p in tree.problems] == [(str(top), Reason.MOUNT)]


def test_names_that_are_no_text_are_counted_and_told(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(raw)
    os.close(os.open(raw + b"/new\nline\x80", os.O_CREAT))
    tree = walked(tmp_path)
    (only,) = tree.names
    assert tree.path_of(only) == "/\\xff\\xfe/new\nline\\x80"
