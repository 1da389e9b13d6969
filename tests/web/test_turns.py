"""Whose answer is made next, and how many are on their way: the rules alone, without a server."""

from __future__ import annotations

import asyncio

from exporter.web.turns import Places, Turns


class Someone:
    """A client that notes whether it was dropped."""

    def __init__(self) -> None:
        self.dropped = False

    def drop(self) -> None:
        self.dropped = True


def test_the_one_with_fewest_answers_is_next_and_then_who_came_first() -> None:
    async def story() -> list[str]:
        turns, order = Turns(), list[str]()

        async def ask(name: str, had: int) -> None:
            async with turns.turn(had):
                order.append(name)

        asked = [("first", 9), ("greedy", 500), ("greedy too", 500), ("new", 0), ("newer", 0)]
        await asyncio.gather(*(ask(*one) for one in asked))
        await asyncio.sleep(0)
        await ask("later", 3)
        return order

    assert asyncio.run(story()) == ["first", "new", "newer", "greedy", "greedy too", "later"]


def test_beyond_the_most_that_may_wait_the_one_of_the_highest_rank_is_sent_away() -> None:
    async def story() -> list[str]:
        turns, order = Turns(most=2), list[str]()

        async def ask(name: str, *rank: int) -> None:
            async with turns.turn(*rank) as ours:
                order.append(name if ours else f"not {name}")

        asked = [
            ("first", 0, 0),
            ("greedy", 0, 9),
            ("large", 1, 0),
            ("modest", 0, 1),
            ("larger", 1, 1),
        ]
        await asyncio.gather(*(ask(*one) for one in asked))
        return order

    assert asyncio.run(story()) == ["first", "not larger", "not large", "modest", "greedy"]


def test_who_leaves_while_waiting_holds_up_nobody() -> None:
    async def story() -> list[str]:
        turns, order = Turns(), list[str]()

        async def ask(name: str) -> None:
            async with turns.turn(0):
                order.append(name)

        tasks = [asyncio.create_task(ask(name)) for name in ("a", "b", "c", "d")]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.wait(tasks, timeout=5)
        async with asyncio.timeout(5):
            await ask("e")
        return [name for name in order if name not in "bc"]

    assert asyncio.run(story()) == ["a", "d", "e"]


class StandingClock(asyncio.SelectorEventLoop):
    """A loop whose time passes only when the test says so."""

    passed = 0.0

    def time(self) -> float:
        return self.passed


def test_beyond_the_limit_there_is_no_place_until_one_is_free_or_taken_too_long() -> None:
    async def story() -> None:
        places, old = Places(1), Someone()
        with places.place(old) as first:
            with places.place(Someone()) as second:
                assert (first, second, old.dropped) == (True, False, False)
            clock.passed += 0.3
            with places.place(Someone()) as third:
                assert (third, old.dropped) == (True, True)
        with places.place(Someone()) as fourth:
            assert fourth

    clock = StandingClock()
    with asyncio.Runner(loop_factory=lambda: clock) as runner:
        runner.run(story())


def test_who_takes_several_places_loses_them_to_who_has_none() -> None:
    async def story() -> None:
        places, greedy, modest, newcomer = Places(3), Someone(), Someone(), Someone()
        with places.place(modest), places.place(greedy), places.place(greedy):
            with places.place(greedy) as more:
                assert not more
            with places.place(newcomer) as taken:
                assert (taken, greedy.dropped, modest.dropped) == (True, True, False)

    asyncio.run(story())


def test_no_limit_is_no_limit() -> None:
    async def story() -> None:
        places = Places(0)
        with places.place(Someone()) as first, places.place(Someone()) as second:
            assert (first, second) == (True, True)

    asyncio.run(story())
