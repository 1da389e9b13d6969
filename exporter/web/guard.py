"""What stands before the pages: who may ask, how much at once, and what every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, cast

from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)

from exporter.web.auth import Gate, Verdict
from exporter.web.connections import Connection, Places

Headers = tuple[tuple[bytes, bytes], ...]
Pages = Callable[[Scope, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]]

CONNECTION: Final = "connection"
"""Where a request's state holds its connection."""

_UNLIMITED: Final = ("/-/healthy", "/-/ready")
"""Pages that cost nothing and tell an orchestrator that we live."""

_BASIC: Final = (b"www-authenticate", b'Basic realm="hardlink-exporter", charset="UTF-8"')


class Guard:
    """The ASGI application around the pages.

    `most` is the number of scrapes at once, and that of other pages; 0 is no limit. `headers`
    gives what is put on every answer, in place of the page's own of that name.
    """

    def __init__(
        self, pages: Pages, metrics_path: str, most: int, gate: Gate, headers: Callable[[], Headers]
    ) -> None:
        self._pages = pages
        self._metrics_path = metrics_path
        self._most = most
        self._scrapes, self._others = Places(most), Places(most)
        self._gate = gate
        self._headers = headers

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer one request, or say why not."""
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        connection = cast(Connection, scope["state"][CONNECTION])
        # What a client sends along is read and forgotten, lest it fill the server's queue.
        reading = asyncio.create_task(_forget(receive))
        try:
            with connection.answering():
                await self._answer(scope, connection, receive, self._with_headers(send))
        finally:
            reading.cancel()

    async def _answer(
        self,
        scope: HTTPScope,
        connection: Connection,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
    ) -> None:
        if scope["http_version"] == "2" and not connection.http2:
            await _say(send, 505, b"HTTP/2 is spoken only where TLS has agreed on it\n")
            return
        if not self._gate.open:
            verdict = await self._gate.judge(_authorization(scope))
            if verdict is Verdict.BUSY:
                await _say(send, 503, b"too many passwords are being checked, try again later\n")
                return
            if verdict is Verdict.WRONG:
                await _say(send, 401, b"Unauthorized\n", _BASIC)
                return
        if scope["path"] in _UNLIMITED:
            await self._pages(scope, receive, send)
            return
        places = self._scrapes if scope["path"] == self._metrics_path else self._others
        with places.place(connection) as free:
            if free:
                await self._pages(scope, receive, send)
            else:
                text = f"Limit of concurrent requests reached ({self._most}), try again later.\n"
                await _say(send, 503, text.encode())

    def _with_headers(self, send: ASGISendCallable) -> ASGISendCallable:
        ours = self._headers()

        async def sending(event: ASGISendEvent) -> None:
            if event["type"] == "http.response.start" and ours:
                names = {name for name, _ in ours}
                kept = [h for h in event["headers"] if h[0] not in names]
                event = {**event, "headers": [*kept, *ours]}
            await send(event)

        return sending


async def _forget(receive: ASGIReceiveCallable) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _authorization(scope: HTTPScope) -> str:
    """Give the one Authorization header; two of them are none."""
    given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    return given[0].decode("latin-1") if len(given) == 1 else ""


async def _say(
    send: ASGISendCallable, status: int, text: bytes, *more: tuple[bytes, bytes]
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(text)).encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"cache-control", b"no-store"),
                *more,
            ],
            "trailers": False,
        }
    )
    await send({"type": "http.response.body", "body": text, "more_body": False})
