"""What stands before the pages: who may ask, how much at once, and what every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Final, cast

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from exporter.web.answer import PLAIN, Answer, Headers
from exporter.web.auth import Gate, Verdict
from exporter.web.connections import ANSWER, Connection
from exporter.web.request import is_framed_twice, path_of
from exporter.web.turns import Places, Turns

Pages = Callable[[HTTPScope], Answer]
"""Makes the answer to a request, in milliseconds."""

CONNECTION: Final = "connection"
"""Where a request's state holds its connection."""

_UNLIMITED: Final = ("/-/healthy", "/-/ready")
"""Pages that cost nothing and tell an orchestrator that we live."""

_PIECE: Final = 64 * 1024
"""Bytes of an answer that are given to the server at once; it holds what the client does not take."""

_FAREWELL: Final = 0.1
"""Seconds from a stream's end until it is plain that it was not the end of its answer."""

_BASIC: Final = (b"www-authenticate", b'Basic realm="hardlink-exporter", charset="UTF-8"')


class Guard:
    """The ASGI application around the pages.

    `most` is the number of scrapes at once, and that of other pages; 0 is no limit. `headers`
    gives what is put on every answer.
    """

    def __init__(
        self, pages: Pages, metrics_path: str, most: int, gate: Gate, headers: Callable[[], Headers]
    ) -> None:
        self._pages = pages
        self._metrics_path = metrics_path
        self._most = most
        self._turns = Turns()
        self._scrapes, self._others, self._unlimited = Places(most), Places(most), Places(0)
        self._gate = gate
        self._headers = headers

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer one request; the start and end of the server are answered with nothing."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": None})
        if scope["type"] != "http":
            return
        connection = cast(Connection, scope["state"][CONNECTION])
        with connection.answering():
            async with _listening(receive, scope["http_version"]):
                refusal = await self._refusal(scope, connection)
                if refusal is None:
                    await self._serve(scope, connection, send)
                else:
                    await self._send(refusal, connection, send)
                    await _end(send)

    async def _refusal(self, scope: HTTPScope, connection: Connection) -> Answer | None:
        if scope["http_version"] == "2" and not connection.http2:
            return Answer(505, PLAIN, b"HTTP/2 is spoken only where TLS has agreed on it\n")
        if is_framed_twice(scope):
            body = b"Transfer-Encoding with Content-Length, or in HTTP/1.0, is refused\n"
            return Answer(400, PLAIN, body, ((b"connection", b"close"),))
        if self._gate.open:
            return None
        verdict = await self._gate.judge(_authorization(scope), _address(scope))
        if verdict is Verdict.BUSY:
            return Answer(503, PLAIN, b"Too many passwords are being checked, try again later.\n")
        if verdict is Verdict.WRONG:
            return Answer(401, PLAIN, b"Unauthorized\n", (_BASIC,))
        return None

    async def _serve(
        self, scope: HTTPScope, connection: Connection, send: ASGISendCallable
    ) -> None:
        path = path_of(scope)
        with ExitStack() as held:
            async with self._turns.turn(self._is_other(path), connection.had):
                place = self._places(path).place(connection)
                answer = self._pages(scope) if held.enter_context(place) else self._full()
            await self._send(answer, connection, send)
            if scope["http_version"] != "2":
                held.close()  # the answer is taken; what follows may be the farewell of TLS
            # By HTTP/2 it is taken only now: hypercorn keeps what the client has no window for.
            await _end(send)

    async def _send(self, answer: Answer, connection: Connection, send: ASGISendCallable) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": answer.all_headers(self._headers()),
                "trailers": False,
            }
        )
        for begin in range(0, len(answer.body), _PIECE):
            if connection.gone:  # asyncio would keep what is written to it
                connection.drop()
                await asyncio.sleep(ANSWER)  # until we are cancelled
            piece = answer.body[begin : begin + _PIECE]
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    def _full(self) -> Answer:
        text = f"Limit of concurrent requests reached ({self._most}), try again later.\n"
        return Answer(503, PLAIN, text.encode())

    def _is_other(self, path: str) -> bool:
        """Whether it is neither scraped nor asked by an orchestrator: those go first."""
        return path not in (*_UNLIMITED, self._metrics_path)

    def _places(self, path: str) -> Places:
        if path in _UNLIMITED:
            return self._unlimited
        return self._scrapes if path == self._metrics_path else self._others


async def _end(send: ASGISendCallable) -> None:
    """Say that the answer is whole. With TLS this may wait for the client to close."""
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def _listening(receive: ASGIReceiveCallable, version: str) -> AsyncIterator[None]:
    """Read and forget what the client sends along, lest it fill the server's queue.

    By HTTP/2 hypercorn goes on waiting for a window that a client who has left will never give; then
    the block is cancelled. By HTTP/1.1 a client may close its half and still want its answer.
    """
    answering = asyncio.current_task()

    async def listen() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await asyncio.sleep(_FAREWELL)
        if version == "2" and answering is not None:
            answering.cancel()

    listening = asyncio.create_task(listen())
    try:
        yield
    finally:
        listening.cancel()


def _address(scope: HTTPScope) -> str:
    return scope["client"][0] if scope["client"] else ""


def _authorization(scope: HTTPScope) -> str:
    """The one Authorization header; two of them are none."""
    given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    return given[0].decode("latin-1") if len(given) == 1 else ""
