"""Layers given up, told from folders and records that come and go."""

from __future__ import annotations

import pytest

from exporter.model import LayerRecord, Lineage
from exporter.thinking.attempts import FORGOTTEN_SECONDS, RIPE_SECONDS, Attempts

A, B, CHAIN = "a" * 64, "b" * 64, "c" * 64
NOTHING = Lineage()


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock)


def judged(attempts: Attempts, clock: Clock, lineage: Lineage = NOTHING) -> int:
    clock.time += RIPE_SECONDS
    attempts.judge(lineage)
    return attempts.failed


def test_a_folder_that_came_and_went_without_a_record_was_given_up(
    attempts: Attempts, clock: Clock
) -> None:
    attempts.folder(A, came=True)
    attempts.folder(A, came=False)
    assert attempts.pending
    assert judged(attempts, clock) == 1
    assert not attempts.pending


def test_it_is_judged_only_when_its_record_had_time_to_go(attempts: Attempts, clock: Clock) -> None:
    attempts.folder(A, came=True)
    attempts.record(CHAIN, came=True)
    attempts.folder(A, came=False)
    attempts.judge(NOTHING)
    assert (attempts.failed, attempts.pending) == (0, True)
    attempts.record(CHAIN, came=False)
    assert judged(attempts, clock) == 0


def test_a_step_that_leaves_no_layer_is_not_given_up(attempts: Attempts, clock: Clock) -> None:
    attempts.folder(A, came=True)
    attempts.record(CHAIN, came=True)
    attempts.record(CHAIN, came=False)
    attempts.record(f"{CHAIN}-{B}-removing", came=True)
    attempts.folder(A, came=False)
    attempts.record(f"{CHAIN}-{B}-removing", came=False)
    assert judged(attempts, clock) == 0


def test_one_record_explains_one_folder_only(attempts: Attempts, clock: Clock) -> None:
    attempts.folder(A, came=True)
    attempts.folder(B, came=True)
    attempts.record(CHAIN, came=True)
    attempts.record(CHAIN, came=False)
    attempts.folder(A, came=False)
    attempts.folder(B, came=False)
    assert judged(attempts, clock) == 1


def test_a_layer_that_was_ever_seen_in_layerdb_is_removed_not_given_up(
    attempts: Attempts, clock: Clock
) -> None:
    attempts.folder(A, came=True)
    layer = LayerRecord(f"sha256:{CHAIN}", A, None)
    assert judged(attempts, clock, Lineage({layer.chain: layer})) == 0
    attempts.folder(A, came=False)
    assert judged(attempts, clock) == 0


def test_a_container_that_came_and_went_is_explained_by_its_record(
    attempts: Attempts, clock: Clock
) -> None:
    attempts.folder(f"{A}-init", came=True)
    attempts.folder(A, came=True)
    attempts.record(B, came=True)
    attempts.folder(A, came=False)
    attempts.folder(f"{A}-init", came=False)
    attempts.record(B, came=False)
    assert judged(attempts, clock) == 0


def test_buildkits_folders_and_layers_from_before_the_watch_do_not_count(
    attempts: Attempts, clock: Clock
) -> None:
    attempts.folder("x" * 25, came=True)
    attempts.folder("x" * 25, came=False)
    attempts.folder(B, came=False)
    assert judged(attempts, clock) == 0


def test_an_old_record_explains_no_later_folder(attempts: Attempts, clock: Clock) -> None:
    attempts.record(CHAIN, came=True)
    attempts.record(CHAIN, came=False)
    clock.time += FORGOTTEN_SECONDS
    attempts.folder(A, came=True)
    attempts.folder(A, came=False)
    assert judged(attempts, clock) == 1


def test_a_large_tree_may_take_long_to_remove(attempts: Attempts, clock: Clock) -> None:
    attempts.folder(A, came=True)
    attempts.record(CHAIN, came=True)
    attempts.record(CHAIN, came=False)
    attempts.record(f"{CHAIN}-{B}-removing", came=True)
    clock.time += 10 * FORGOTTEN_SECONDS
    attempts.judge(NOTHING)
    attempts.folder(A, came=False)
    attempts.record(f"{CHAIN}-{B}-removing", came=False)
    assert judged(attempts, clock) == 0


def test_a_containers_record_without_its_folders_is_still_to_be_read(
    attempts: Attempts, clock: Clock
) -> None:
    attempts.folder(A, came=True)
    attempts.record(B, came=True)
    assert judged(attempts, clock, Lineage(mounts={B: frozenset()})) == 0
    attempts.folder(A, came=False)
    attempts.record(B, came=False)
    assert judged(attempts, clock) == 0


def test_a_record_that_came_and_went_while_others_were_read_explains_its_folder(
    attempts: Attempts, clock: Clock
) -> None:
    attempts.folder(A, came=True)
    attempts.record(CHAIN, came=True)
    assert judged(attempts, clock) == 0  # read when it had gone, and told of that only later
    attempts.record(CHAIN, came=False)
    attempts.folder(A, came=False)
    assert judged(attempts, clock) == 0


def test_after_a_loss_of_events_nothing_that_went_is_held_against_the_engine(
    attempts: Attempts, clock: Clock
) -> None:
    attempts.folder(A, came=True)
    attempts.folder(A, came=False)
    attempts.folder(B, came=True)
    attempts.events_lost()
    attempts.folder(B, came=False)
    assert judged(attempts, clock) == 0


def test_a_containers_record_may_go_long_after_its_folder(attempts: Attempts, clock: Clock) -> None:
    attempts.folder(A, came=True)
    attempts.record(B, came=True)
    attempts.folder(A, came=False)
    assert judged(attempts, clock) == 0
    assert attempts.pending
    attempts.record(B, came=False)
    assert judged(attempts, clock) == 0


def test_a_record_that_was_read_before_it_was_written_is_still_to_be_read(
    attempts: Attempts, clock: Clock
) -> None:
    attempts.folder(A, came=True)
    attempts.record(B, came=True)
    assert judged(attempts, clock, Lineage(mounts={B: frozenset({""})})) == 0
    attempts.folder(A, came=False)
    attempts.record(B, came=False)
    assert judged(attempts, clock) == 0


def test_a_removal_whose_end_was_missed_explains_nothing_later(
    attempts: Attempts, clock: Clock
) -> None:
    attempts.record(CHAIN, came=True)
    attempts.record(CHAIN, came=False)
    attempts.record(f"{CHAIN}-{B}-removing", came=True)
    attempts.events_lost()
    attempts.folder(A, came=True)
    attempts.folder(A, came=False)
    assert judged(attempts, clock) == 1
