"""A layer told by its difference to its neighbour has the names that a walk finds in it."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layertar import RecordedRoot, record
from looking import check_derived, ledger_of, look_one

from exporter.demo.planted import PlantedRoot
from exporter.looking.scan import LiveRoot
from exporter.model import Reason, Root
from exporter.thinking.chains import chain_ids

Change = Callable[[Path], object]


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedRoot:
    return RecordedRoot(tmp_path / "docker")


def base(tree: Path) -> None:
    """Enough names that a small difference is worth looking up."""
    for folder in ("bin", "etc/deep/er", "usr/lib", "opaque"):
        (tree / folder).mkdir(parents=True)
        for i in range(8):
            (tree / folder / f"f{i}").write_text("x")
    (tree / "many").mkdir()
    for i in range(60):
        (tree / f"many/{i}").write_text("x")
    for i in range(5):
        os.link(tree / "bin/f0", tree / f"bin/link{i}")
    (tree / "lib").symlink_to("usr/lib")
    os.mkfifo(tree / "fifo")


def delete(tree: Path) -> None:
    (tree / "etc/deep/er/f1").unlink()
    (tree / "lib").unlink()
    (tree / "bin/link3").unlink()
    shutil.rmtree(tree / "opaque")


def replace(tree: Path) -> None:
    for name in ("etc/deep/er/f2", "bin/link1", "fifo"):
        (tree / name).unlink()
        (tree / name).write_text("new")


def add_again(tree: Path) -> None:
    (tree / "usr/lib/f1").unlink()
    (tree / "usr/lib/f1").write_text("again")


def hard_link(tree: Path) -> None:
    (tree / "new").write_text("x")
    os.link(tree / "new", tree / "new2")
    os.link(tree / "bin/f0", tree / "usr/lib/of-the-parent")  # as a hand-made archive may


def folder_over_file(tree: Path) -> None:
    (tree / "usr/lib/f3").unlink()
    (tree / "usr/lib/f3/below").mkdir(parents=True)
    (tree / "usr/lib/f3/below/file").write_text("x")


def file_over_folder(tree: Path) -> None:
    shutil.rmtree(tree / "etc/deep")
    (tree / "etc/deep").write_text("x")


def odd_names(tree: Path) -> None:
    os.mkdir(os.fsencode(tree) + b"/\xff\xfe")
    with open(os.fsencode(tree) + b"/\xff\xfe/\xfd", "w"):
        pass
    (tree / ("n" * 200)).mkdir()
    (tree / ("n" * 200) / ("ü" * 100)).touch()
    (tree / "tab\tand\nline").touch()


CHANGES = [
    delete,
    replace,
    add_again,
    hard_link,
    folder_over_file,
    file_over_folder,
    odd_names,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_layer_below_and_the_layer_above_are_told_alike(
    recorded: RecordedRoot, change: Change
) -> None:
    below = recorded.layer((), base)
    above = recorded.layer(below, change)
    recorded.image(above, "top:1")
    assert check_derived(recorded.path) == 1  # down from the top
    recorded.image(below, "base:1")
    _, other = recorded.layer(below, change), recorded.image(above, "other:1")
    assert other
    assert check_derived(recorded.path) == 1  # down, and up again


def test_a_change_and_its_contrary_in_turn_are_told_through_a_long_chain(
    recorded: RecordedRoot,
) -> None:
    chain = recorded.layer((), base)
    for change in (delete, odd_names, replace, hard_link, folder_over_file):
        chain = recorded.layer(chain, change)
        chain = recorded.layer(chain, lambda t: (t / "opaque").mkdir(exist_ok=True))
    chain = recorded.layer(chain, lambda t: shutil.rmtree(t / "usr/lib/f3"))
    chain = recorded.layer(chain, lambda t: (t / "usr/lib/f3").touch())
    recorded.image(chain, "top:1")
    assert check_derived(recorded.path) == 1


NAMES = st.sampled_from([f"{f}{n}" for f in ("", "a/", "a/b/", "bin/") for n in ("a", "b", "f0")])


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["write", "folder", "link", "remove", "symlink"]), NAMES, NAMES
            ),
            max_size=5,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_a_layer_changes_its_difference_tells(
    steps: list[list[tuple[str, str, str]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = RecordedRoot(Path(folder) / "docker")
        chain = root.layer((), base)
        for step in steps:
            chain = root.layer(chain, partial(_apply_all, step))
        root.image(chain, "top:1")
        assert check_derived(root.path) <= 1 + len(steps)


def _apply_all(step: list[tuple[str, str, str]], tree: Path) -> None:
    for do in step:
        _apply(tree, *do)


def _apply(tree: Path, what: str, name: str, other: str) -> None:
    """Do one thing, as far as the names allow it."""
    path = tree / name
    if not path.parent.is_dir() or path.parent.is_symlink():
        return
    if what == "link" and (tree / other).is_symlink():
        return
    if what == "link" and not (tree / other).is_file():
        return
    if what == "link" and path.exists():
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if what == "write":
        path.write_text(name)
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        os.link(tree / other, path)
    elif what == "symlink":
        path.symlink_to(other)


def two_layers(root: PlantedRoot) -> tuple[str, ...]:
    chain = root.layer(root.layer((), base), replace)
    root.image(chain, "top:1")
    return chain


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def flip(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[-8] ^= 0xFF  # of the checksum: damage elsewhere may be met as an odd name before
    file.write_bytes(raw)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def no_gzip(file: Path) -> None:
    file.write_text('{"type":1,"name":"a"}\n')


def no_json(file: Path) -> None:
    file.write_bytes(gzip.compress(b'{"type":1,"name":\n'))


def other_json(file: Path) -> None:
    file.write_bytes(gzip.compress(b'{"type":1,"name":5}\n'))


def nested_json(file: Path) -> None:
    nested = b"[" * 200_000 + b"]" * 200_000
    file.write_bytes(gzip.compress(b'{"type":1,"name":' + nested + b"}\n"))


def other_lines(file: Path) -> None:
    file.write_bytes(gzip.compress(b"hello\n"))


@pytest.mark.parametrize(
    "damage",
    [cut, flip, empty, no_gzip, no_json, other_json, nested_json, other_lines],
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_record_is_a_problem_with_its_place_and_the_layer_is_walked(
    recorded: RecordedRoot, damage: Callable[[Path], None]
) -> None:
    chain = two_layers(recorded)
    damage(record(recorded, chain))
    report = look_one(recorded.path)
    assert [(p.where, p.reason) for p in report.problems] == [
        (str(record(recorded, chain)), Reason.TAR_SPLIT)
    ]
    assert (report.scan.complete, report.scan.coverage) == (True, 1.0)
    assert check_derived(recorded.path) == 2


def test_a_layer_without_a_record_is_walked_and_that_is_no_problem(
    recorded: RecordedRoot,
) -> None:
    chain = two_layers(recorded)
    record(recorded, chain).unlink()
    assert look_one(recorded.path).problems == ()
    assert check_derived(recorded.path) == 2


def test_a_difference_as_large_as_the_tree_is_not_looked_up(recorded: RecordedRoot) -> None:
    chain = recorded.layer((), lambda t: (t / "f").touch())
    chain = recorded.layer(chain, lambda t: [(t / f"g{i}").write_text("") for i in range(500)])
    recorded.image(chain, "top:1")
    assert check_derived(recorded.path) == 2


def test_a_root_without_any_record_is_walked_whole(planted: PlantedRoot) -> None:
    two_layers(planted)
    assert check_derived(planted.path) == 2


def test_the_path_of_the_tightest_inode_is_told_without_another_walk(
    recorded: RecordedRoot,
) -> None:
    below = recorded.layer((), base)
    for i in range(3):
        recorded.image(recorded.layer(below, lambda t: (t / "own").touch()), f"a{i}:1")
    root = LiveRoot(Root(str(recorded.path), recorded.path))
    (report,) = root.look(lambda _: None)
    assert [i.tightest.path for i in report.images if i.tightest] == ["/bin/f0"] * 3
    assert (ledger_of(root).walked.total(), ledger_of(root).searched.total()) == (1, 0)


def test_the_smallest_name_is_told_through_layers_that_add_and_remove_names(
    recorded: RecordedRoot,
) -> None:
    chain = recorded.layer((), base)
    paths: list[str] = []
    steps: list[tuple[Change, str]] = [
        (lambda t: os.link(t / "bin/f0", t / "bin/a"), "/bin/a"),
        (lambda t: os.link(t / "bin/f0", t / "z"), "/bin/a"),
        (lambda t: (t / "z").unlink(), "/bin/a"),
        (lambda t: (t / "bin/a").unlink(), "/bin/f0"),
    ]
    for change, path in steps:
        chain = recorded.layer(chain, change)
        recorded.image(chain, f"i{len(paths)}:1")
        paths.append(path)
    report = look_one(recorded.path)
    told = {image.name: image.tightest.path for image in report.images if image.tightest}
    assert [told[f"i{i}:1"] for i in range(4)] == paths
    assert check_derived(recorded.path) == 1


def test_a_removed_layer_is_no_source_for_others(recorded: RecordedRoot) -> None:
    below = recorded.layer((), base)
    top = recorded.layer(below, replace)
    recorded.image(top, "top:1")
    gone = recorded.image_home / "layerdb/sha256" / chain_ids(top)[-1][7:]
    published: list[object] = []
    root = LiveRoot(Root(str(recorded.path), recorded.path))

    def remove(_: object) -> None:
        if not published:
            gone.rename(gone.with_name(f"{gone.name}-{'a' * 64}-removing"))
            published.append(None)

    root.look(remove)
    assert ledger_of(root).walked.total() == 2  # the base was walked, not told from the removed
