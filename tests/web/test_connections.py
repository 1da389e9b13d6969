"""How long one connection may take, and for how much at once: the rules alone, without a server."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import sslproto
from contextlib import ExitStack, suppress

import pytest

from exporter.web import connections, server
from exporter.web.connections import STREAMS, Connection


async def ends(requests: int, every: float = 0.0) -> bool:
    """Whether a connection ends by itself while it begins so many requests and finishes none."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ExitStack() as held:
        work = asyncio.create_task(asyncio.sleep(60))
        connection = Connection(ours, work, None)
        for _ in range(requests):
            held.enter_context(connection.answering())
            with suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(asyncio.shield(work), every)
        ended = work.cancelled()
        connection.drop()
    return ended


def test_requests_that_overlap_do_not_put_off_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """By HTTP/2 a client could otherwise ask for one more thing again and again, and take none."""
    monkeypatch.setattr(connections, "ANSWER", 0.5)
    assert asyncio.run(ends(12, every=0.1))


def test_a_client_that_resets_its_streams_to_open_more_is_dropped() -> None:
    assert not asyncio.run(ends(2 * STREAMS, every=0.001))
    assert asyncio.run(ends(2 * STREAMS + 1, every=0.001))


def test_a_tls_connection_holds_a_small_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, given = set[int](), sslproto.SSLProtocol.get_buffer

    def noted(self: sslproto.SSLProtocol, n: int) -> memoryview:
        buffer = given(self, n)
        sizes.add(len(buffer))
        return buffer

    async def story() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"this is no TLS")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with pytest.raises(ssl.SSLError):
                await asyncio.get_running_loop().connect_accepted_socket(
                    asyncio.Protocol, ours, ssl=context
                )

    monkeypatch.setattr(sslproto.SSLProtocol, "get_buffer", noted)
    asyncio.run(story())
    assert sizes == {server.TLS_BUFFER}
