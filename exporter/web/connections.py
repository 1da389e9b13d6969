"""Open connections: how many there may be, and how long each may take for what it does.

Every connection has a deadline at any time: to say hello and ask, to take its answer, to ask again.
When there are too many, the one that has kept us waiting longest goes, and the new one
is served: whoever opens connections and says nothing shuts out nobody but themselves.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MOST: Final = 256
"""Connections at once."""

HELLO: Final = 5.0
"""Seconds for the TLS handshake, and as many for the first request."""

ANSWER: Final = 30.0
"""Seconds to make and to take one answer."""

IDLE: Final = 5.0
"""Seconds between two requests."""

STREAMS: Final = 8
"""Requests at once on one HTTP/2 connection; Prometheus needs one."""

_MERCY: Final = 1.0
"""Seconds that a connection which should have ended by itself is given to do so."""


class Connection:
    """One client. `context` is the TLS configuration it came in by, None for plain text.

    `had` is how many answers it has had. `writer` is set once the connection is made; this is the
    only reference that keeps it, and so the connection, open.
    """

    def __init__(
        self, raw: socket.socket, task: asyncio.Task[None], context: ssl.SSLContext | None
    ) -> None:
        self.context = context
        self.http2 = False
        self.writer: asyncio.StreamWriter | None = None
        self._raw = raw
        self._task = task
        self._loop = asyncio.get_running_loop()
        self.had = 0
        self._requests = 0
        self._retired = False
        self.since = self._loop.time()
        hello = 2 * HELLO if context else HELLO
        self._timer = self._loop.call_later(hello + _MERCY, self.drop)

    @property
    def waiting(self) -> bool:
        """Whether we wait for the client, and not the client for us."""
        return self._requests == 0

    @property
    def gone(self) -> bool:
        """Whether nothing that is sent now will arrive."""
        return self.writer is not None and self.writer.is_closing()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Note that a request is being answered while the block runs.

        A client that opens streams only to reset them has more requests here than streams, and is dropped.
        """
        if self.waiting:
            self._within(ANSWER)
        self._requests += 1
        if self._requests > 2 * STREAMS:
            self.drop()
        try:
            yield
        finally:
            self._requests -= 1
            self.had += 1
            if self.waiting:
                self._within(_MERCY if self._retired else IDLE + _MERCY)

    def retire(self) -> None:
        """End when the answers under way are given, at once if there are none."""
        self._retired = True
        if self.waiting:
            self.drop()

    def drop(self) -> None:
        """End now, whatever is under way."""
        self._timer.cancel()
        if self.writer is not None:
            self.writer.transport.abort()
        self._task.cancel()

    def forget(self) -> None:
        """Let go of what a connection holds; it has ended."""
        self._timer.cancel()
        if self.writer is not None:
            self.writer.transport.abort()
        self._raw.close()

    def _within(self, seconds: float) -> None:
        self.since = self._loop.time()
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self.drop)


class Connections:
    """All open connections, at most `most`."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._open: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Take a connection in; if there are too many, the one that dawdles most goes."""
        if len(self._open) >= self._most:
            slowest = min(self._open, key=lambda c: (not c.waiting, c.since))
            self.remove(slowest)
            slowest.drop()
        self._open[connection] = None

    def remove(self, connection: Connection) -> None:
        """Take out a connection that has ended or is about to."""
        self._open.pop(connection, None)

    def retire(self, context: ssl.SSLContext | None) -> None:
        """Let all end that did not come in by this TLS configuration."""
        for connection in list(self._open):
            if connection.context is not context:
                connection.retire()

    def drop(self) -> None:
        """End all."""
        for connection in list(self._open):
            connection.drop()
