"""Whose answer is made next, and how many may be on their way."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Protocol


class Client(Protocol):
    """Whoever takes an answer."""

    def drop(self) -> None:
        """End now, whatever is under way."""


class Turns:
    """One answer is made at a time, and the server breathes between two.

    Next is whose connection has had the fewest answers, then who came first: so a client that sends a thousand
    requests at once does not keep another one waiting.
    """

    def __init__(self) -> None:
        self._busy = False
        self._came = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, had: int) -> AsyncIterator[None]:
        """Wait for the turn of a connection that has had so many answers."""
        if self._busy:
            mine = asyncio.get_running_loop().create_future()
            self._came += 1
            heapq.heappush(self._waiting, (had, self._came, mine))
            try:
                await mine
            except asyncio.CancelledError:
                if not mine.cancelled():  # it was given to us as we left
                    self._pass_on()
                raise
        self._busy = True
        try:
            yield
        finally:
            # Not at once: an answer is made without a pause, and newcomers are to be heard between two.
            asyncio.get_running_loop().call_soon(self._pass_on)

    def _pass_on(self) -> None:
        while self._waiting:
            *_, heir = heapq.heappop(self._waiting)
            if not heir.done():
                heir.set_result(None)
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
