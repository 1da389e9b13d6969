"""What one tree holds: counts, and paths that are built only when somebody asks."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from looking import whole

from exporter.model import Problem, Reason
from exporter.thinking.tree import Tree

raw_names = st.binary(min_size=1, max_size=3).filter(lambda b: b"/" not in b and b"\0" not in b)
names = raw_names.map(os.fsdecode) | st.sampled_from(["f", "f-g", "f.g", "ff", "F"])


@st.composite
def directories(draw: st.DrawFn) -> list[tuple[int, str]]:
    """Make a tree's directories as a walk numbers them: each after its parent."""
    count = draw(st.integers(0, 14))
    return [(0, ""), *((draw(st.integers(0, i)), draw(names)) for i in range(count))]


def path(made: list[tuple[int, str]], number: int, name: str) -> bytes:
    """Build a path by recursion, without remembering anything."""
    if number == 0:
        return b"/" + os.fsencode(name)
    above, own = made[number]
    return path(made, above, own) + b"/" + os.fsencode(name)


@given(directories(), st.data())
def test_a_path_is_that_of_all_its_folders_in_any_order_of_asking(
    made: list[tuple[int, str]], data: st.DataObject
) -> None:
    tree = Tree(directories=made)
    places = st.tuples(st.integers(0, len(made) - 1), names)
    for number, name in data.draw(st.lists(places, max_size=12)):
        wanted = path(made, number, name).decode("utf-8", "backslashreplace")
        assert wanted == tree.path_at(number, name)


@given(directories(), st.data())
def test_the_smaller_of_two_names_is_that_of_the_smaller_path_in_bytes(
    made: list[tuple[int, str]], data: st.DataObject
) -> None:
    tree = Tree(directories=made)
    places = st.tuples(st.integers(0, len(made) - 1), names)
    for one, two in data.draw(st.lists(st.tuples(places, places), max_size=8)):
        assert tree.is_smaller(*one, two) == (path(made, *one) < path(made, *two))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((0, "file"), "/file"),
        ((0, ""), "/"),
        ((1, "file"), "/d/file"),
        ((2, "file"), "/d/e/file"),
        ((3, "file"), "/\\xff/file"),
        ((3, "\udcfe"), "/\\xff/\\xfe"),
        ((1, "new\nline"), "/d/new\nline"),
    ],
)
def test_a_path_is_absolute_inside_the_image(place: tuple[int, str], expected: str) -> None:
    tree = Tree(directories=[(0, ""), (0, "d"), (1, "e"), (0, "\udcff")])
    assert expected == tree.path_at(*place)
    assert expected == Tree(directories=tree.directories, first={7: place}).path_of(7)


def test_paths_compare_as_whole_paths_not_folder_by_folder() -> None:
    tree = Tree(directories=[(0, ""), (0, "f"), (0, "f-g")])
    assert tree.is_smaller(2, "z", (1, "a"))  # "/f-g/z" is before "/f/a": a dash is before a slash
    assert not tree.is_smaller(1, "a", (2, "z"))
    assert not tree.is_smaller(1, "a", (1, "a"))


def test_a_path_of_a_million_bytes_is_built_without_recursion() -> None:
    levels = 5_000
    tree = Tree(directories=[(0, ""), *((i, "d" * 200) for i in range(levels))])
    assert tree.path_at(levels, "file") == f"/{'d' * 200}" * levels + "/file"


def test_a_copy_by_hard_links_makes_all_anew_but_regular_files() -> None:
    tree = Tree(
        names={1: 3, 2: 1}, symlinks=4, specials=2, directories=[(0, ""), (0, "d"), (1, "e")]
    )
    assert (tree.made_anew, tree.regular) == (3 + 4 + 2, 3 + 1)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (Tree(), True),
        (Tree(changed=True), False),
        (Tree(problems=[Problem("/x", "it cannot be read", Reason.UNREADABLE)]), False),
    ],
)
def test_a_tree_is_whole_when_nothing_moved_and_nothing_is_wrong(
    tree: Tree, expected: bool
) -> None:
    assert whole(tree) is expected
