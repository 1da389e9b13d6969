"""Whose answer is made next, and how many may be on their way."""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Protocol


class Client(Protocol):
    """Whoever takes an answer."""

    def drop(self) -> None:
        """End now, whatever is under way."""


class Turns:
    """One has its turn at a time, and the server breathes between two.

    Next is who has the least rank, then who came first: so a client that sends a thousand
    requests at once does not keep another one waiting. Of more than `most` that wait, the last are
    sent away; 0 is no limit.
    """

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._busy = False
        self._came = 0
        self._waiting: list[tuple[tuple[int, ...], int, asyncio.Future[bool]]] = []

    @asynccontextmanager
    async def turn(self, *rank: int) -> AsyncIterator[bool]:
        """Wait for the turn of this rank; gives False to who is sent away."""
        if self._busy and not await self._called(rank):
            yield False
            return
        self._busy = True
        try:
            yield True
        finally:
            # Not at once: an answer is made without a pause, and newcomers are to be heard between two.
            asyncio.get_running_loop().call_soon(self._pass_on)

    async def _called(self, rank: tuple[int, ...]) -> bool:
        mine: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._came += 1
        entry = (rank, self._came, mine)
        insort(self._waiting, entry)
        if self._most and len(self._waiting) > self._most:
            *_, last = self._waiting.pop()
            if not last.done():
                last.set_result(False)
        try:
            return await mine
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
            elif not mine.cancelled() and mine.result():  # it was given to us as we left
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            *_, heir = self._waiting.pop(0)
            if not heir.done():
                heir.set_result(True)
                return
        self._busy = False


class Places:
    """At most so many answers on their way at once. No limit if `most` is 0.

    An answer is sent in milliseconds. So where there is no place, a client that takes several at once
    loses them to one that has none, and one that has not taken its answer after a moment to anyone.
    """

    _SLOW: Final = 0.25

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: dict[object, tuple[float, Client]] = {}

    @contextmanager
    def place(self, client: Client) -> Iterator[bool]:
        """Take a place while the block runs; gives False where there is none."""
        now = asyncio.get_running_loop().time()
        if self._most and len(self._taken) >= self._most:
            loser = self._loser(client, now)
            if loser is None:
                yield False
                return
            self._taken = {k: v for k, v in self._taken.items() if v[1] is not loser}
            loser.drop()
        mine = object()
        self._taken[mine] = (now, client)
        try:
            yield True
        finally:
            self._taken.pop(mine, None)

    def _loser(self, newcomer: Client, now: float) -> Client | None:
        held = Counter(client for _, client in self._taken.values())
        greediest, places = held.most_common(1)[0]
        if places > 1 and newcomer not in held:
            return greediest
        since, oldest = next(iter(self._taken.values()))
        return oldest if now - since >= self._SLOW and oldest is not newcomer else None
