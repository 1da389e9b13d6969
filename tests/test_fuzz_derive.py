"""Whatever archive an engine takes, a layer that is derived has the figures that a count gives."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from fuzzing import SIZE, dices
from looking import ledger_of, moved_of, names_of
from tarball import DIRECTORY, FIFO, GLOBAL, LINK, SYMLINK, Entry
from unpacked import Plan, planned_root, random_root, shrunk, wrong

LOG = logging.getLogger(__name__)

DERIVED = 1000
"""Layers that are to be derived."""

ENTRIES = 6


BASE = (
    Entry(b"z/", DIRECTORY),
    Entry(b"z/tight"),
    Entry(b"d/", DIRECTORY),
    *(Entry(b"d/%d" % number, LINK, b"z/tight") for number in range(20)),
    Entry(b"d/below/", DIRECTORY),
    Entry(b"d/below/file"),
    Entry(b"s", SYMLINK, b"/z"),
)

AGAIN = Entry(b"/d/", DIRECTORY)

SHAPES = {
    "a directory is removed and made again": (Entry(b".wh.d"), AGAIN),
    "removed, and made again by a file in it": (Entry(b".wh.d"), Entry(b"d/new")),
    "a file takes its place, then it is made again": (Entry(b"d/"), AGAIN),
    "a fifo": (Entry(b"d/", FIFO), AGAIN),
    "a symlink": (Entry(b"d/", SYMLINK, b"z"), AGAIN),
    "a hard link": (Entry(b"d/", LINK, b"z/tight"), AGAIN),
    "a global header with its name": (Entry(b"d/", GLOBAL), Entry(b"d/new")),
    "a write through a symlink that is then removed": (
        Entry(b"d/below/s/", SYMLINK, b"/z"),
        Entry(b"d/below/s/tight"),
        Entry(b"d/.wh..wh..opq"),
        Entry(b"d/below/s/new"),
    ),
    "the same through a hard link to a symlink": (
        Entry(b"d/below/s/", LINK, b"s"),
        Entry(b"d/below/s/tight"),
        Entry(b"d/.wh..wh..opq"),
        Entry(b"d/below/s/new"),
    ),
    "a write through a symlink of the parent": (
        Entry(b"s/tight"),
        Entry(b".wh.s"),
        Entry(b"s/new"),
    ),
    "a rename": (Entry(b"d/a", LINK, b"d/5"), Entry(b"d/.wh.5")),
    "an entry without a name": (Entry(b"", DIRECTORY), Entry(b"d/.wh.7")),
}
"""What once gave a wrong figure, or might."""


@pytest.mark.parametrize("live", [False, True], ids=["down", "up"])
@pytest.mark.parametrize("archive", SHAPES.values(), ids=SHAPES)
def test_an_archive_that_hides_what_it_changes_is_told_right(
    tmp_path: Path, archive: tuple[Entry, ...], live: bool
) -> None:
    grown = planned_root(tmp_path / "root", Plan(((-1, BASE), (0, archive)), 1, 65_000, live))
    assert grown.plan.layers[1][1] == archive, "the engine takes it"
    assert wrong(grown) == {}


@pytest.mark.parametrize("live", [False, True], ids=["down", "up"])
def test_a_file_that_is_only_renamed_is_among_those_that_moved(tmp_path: Path, live: bool) -> None:
    archive = SHAPES["a rename"]
    grown = planned_root(tmp_path / "root", Plan(((-1, BASE), (0, archive)), 1, 65_000, live))
    ((derived, (source, moved)),) = moved_of(grown.live).items()
    inode = (tmp_path / "root/overlay" / derived / "root/z/tight").stat().st_ino
    names = names_of(grown.live)
    assert names[derived][inode] == names[source][inode] == 21
    assert inode in moved


@pytest.mark.parametrize("name", [b"d/", b"d"])
def test_a_directory_that_is_only_mentioned_is_not_counted(tmp_path: Path, name: bytes) -> None:
    """It is asked for in both trees, like the file, and nothing else of it."""
    archive = (Entry(name, DIRECTORY), Entry(b"d/new"))
    grown = planned_root(tmp_path / "root", Plan(((-1, BASE), (0, archive)), 1, 65_000, live=False))
    (derived,) = moved_of(grown.live)
    assert ledger_of(grown.live).kept[derived].entries == 4


def test_derived_equals_counted(tmp_path: Path) -> None:
    """Derive layers of random roots upwards and downwards, and compare every figure."""
    derived = layers = 0
    for dice in dices():
        grown = random_root(tmp_path / "root", dice, dice.randint(3, 9), ENTRIES)
        assert wrong(grown) == {}, shortest(tmp_path, grown.plan)
        derived += grown.derived
        layers += len(grown.plan.layers)
        shutil.rmtree(tmp_path / "root")
        if derived >= DERIVED * SIZE:
            break
    LOG.info("%d of %d layers derived", derived, layers)
    assert derived > 0.4 * layers


def shortest(folder: Path, plan: Plan) -> str:
    """The least of a plan that still gives a wrong figure."""

    def fails(smaller: Plan) -> bool:
        shutil.rmtree(folder / "smaller", ignore_errors=True)
        return bool(wrong(planned_root(folder / "smaller", smaller)))

    return "\n".join(map(str, shrunk(plan, fails).layers))
