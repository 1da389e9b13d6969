"""What a folder of a driver is, told from its shape, its age and who refers to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Folder, Kind, LayerRecord, Lineage
from exporter.thinking.kinds import YOUNG_SECONDS, References, kind_of

NOW = 1_700_000_000.0
OLD = NOW - YOUNG_SECONDS
YOUNG = OLD + 1
LAYER, MOUNT, GOING, OTHER = (digit * 64 for digit in "abcd")
BUILDKIT = "x7" + "k" * 23
NOBODY = References(frozenset(), frozenset(), {})
SOMEBODY = References(frozenset({LAYER}), frozenset({MOUNT, f"{MOUNT}-init"}), {GOING: YOUNG})


def folder(
    id: str,
    changed: float = OLD,
    *,
    half_made: bool = False,
    writable: bool = False,
) -> Folder:
    return Folder(id, ("root",), "root", half_made, writable, changed)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (folder(LAYER), Kind.IMAGE),
        (folder(LAYER, YOUNG, half_made=True, writable=True), Kind.IMAGE),
        (folder(MOUNT), Kind.CONTAINER),
        (folder(f"{MOUNT}-init"), Kind.CONTAINER),
        (folder(BUILDKIT), Kind.BUILDKIT),
        (folder(BUILDKIT, YOUNG, half_made=True), Kind.BUILDKIT),
        (folder(BUILDKIT[:-1]), Kind.ORPHAN),
        (folder(BUILDKIT + "k"), Kind.ORPHAN),
        (folder(BUILDKIT.upper()), Kind.ORPHAN),
        (folder(OTHER, half_made=True), Kind.PARTIAL),
        (folder(OTHER, YOUNG), Kind.PARTIAL),
        (folder(OTHER, YOUNG, writable=True), Kind.CONTAINER),
        (folder(OTHER), Kind.ORPHAN),
        (folder(OTHER, writable=True), Kind.ORPHAN),
        (folder(GOING), Kind.PARTIAL),
        (folder(GOING, writable=True), Kind.CONTAINER),
        (folder(f"{OTHER}-init", YOUNG, writable=True), Kind.CONTAINER),
    ],
)
def test_a_folder_is_what_its_shape_and_the_engines_records_say(
    what: Folder, expected: Kind
) -> None:
    assert expected == kind_of(what, SOMEBODY, NOW)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (-10.0, Kind.PARTIAL),  # a clock that was set back
        (0.0, Kind.PARTIAL),
        (YOUNG_SECONDS - 0.5, Kind.PARTIAL),
        (YOUNG_SECONDS, Kind.ORPHAN),
        (1e9, Kind.ORPHAN),
    ],
)
def test_a_folder_that_nobody_names_is_an_orphan_only_after_an_hour(
    age: float, expected: Kind
) -> None:
    assert expected == kind_of(folder(OTHER, NOW - age), NOBODY, NOW)


@pytest.mark.parametrize(
    ("begun", "expected"), [(OLD, Kind.ORPHAN), (OLD + 0.5, Kind.PARTIAL), (NOW, Kind.PARTIAL)]
)
def test_a_removal_that_began_lately_makes_an_old_layer_no_orphan(
    begun: float, expected: Kind
) -> None:
    references = References(frozenset(), frozenset(), {GOING: begun})
    assert expected == kind_of(folder(GOING, 0.0), references, NOW)


folders = st.builds(
    Folder,
    id=st.sampled_from([LAYER, MOUNT, GOING, OTHER, BUILDKIT]),
    trees=st.just(("root",)),
    stacked=st.just("root"),
    half_made=st.booleans(),
    writable=st.booleans(),
    changed=st.floats(0, NOW),
)


@given(folders)
def test_what_nobody_names_never_counts_as_an_image(what: Folder) -> None:
    assert kind_of(what, NOBODY, NOW) is not Kind.IMAGE


@given(folders, st.floats(0, 1e9))
def test_a_folder_only_ever_grows_old_into_an_orphan(what: Folder, later: float) -> None:
    before, after = (kind_of(what, SOMEBODY, now) for now in (NOW, NOW + later))
    assert after in (before, Kind.ORPHAN)
    assert kind_of(replace(what, changed=NOW + later), SOMEBODY, NOW + later) != Kind.ORPHAN


def test_references_are_the_folders_that_the_records_name() -> None:
    lineage = Lineage(
        layers={"sha256:1": LayerRecord("sha256:1", LAYER, None)},
        mounts={"c": frozenset({MOUNT})},
        removing={GOING: 5.0},
    )
    assert References(frozenset({LAYER}), frozenset({MOUNT}), {GOING: 5.0}) == References.of(
        lineage
    )
    assert References.of(Lineage()) == NOBODY
