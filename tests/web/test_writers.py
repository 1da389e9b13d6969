"""A connection stays open while garbage is collected: asyncio closes a stream that nobody refers to."""

from __future__ import annotations

import asyncio
import gc
from http.client import HTTPConnection

from exporter.web.answer import PLAIN, Answer
from exporter.web.rotation import WebSettings
from exporter.web.server import Server
from exporter.web.sockets import listen


def writers_of(port: int) -> int:
    """Count the stream writers of this process whose own end is at this port."""
    return sum(
        one.get_extra_info("sockname")[1] == port
        for one in gc.get_objects()
        if isinstance(one, asyncio.StreamWriter)
    )


def test_a_connection_has_one_writer_which_lives_as_long_as_it_does() -> None:
    """Python 3.13 closes a connection when any writer of it is collected."""

    async def story() -> tuple[list[int], int]:
        listening, stop = listen("127.0.0.1:0"), asyncio.Event()
        port = listening.getsockname()[1]
        server = Server(lambda _: Answer(200, PLAIN, b"ok"), WebSettings(), "/metrics", 40)
        running = asyncio.create_task(server.run([listening], stop))
        client = HTTPConnection("127.0.0.1", port, timeout=20)

        def status() -> int:
            client.request("GET", "/")
            response = client.getresponse()
            response.read()
            return response.status

        got = [await asyncio.to_thread(status)]
        gc.collect()
        writers = writers_of(port)
        kept = client.sock
        got.append(await asyncio.to_thread(status))
        assert client.sock is kept
        client.close()
        stop.set()
        await running
        return got, writers

    assert asyncio.run(story()) == ([200, 200], 1)
