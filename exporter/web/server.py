"""Serving the application on sockets.

Hypercorn speaks HTTP/1.1 and HTTP/2 on a connection; accepting, TLS and time are ours, because
its own server accepts without limit, waits for ever for a client that does not read, and
keeps one TLS configuration for life.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
from asyncio import sslproto
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config as ServerConfig

from exporter.logs import logger
from exporter.web.auth import Gate
from exporter.web.connections import HELLO, IDLE, MOST, STREAMS, Connection, Connections
from exporter.web.guard import CONNECTION, Guard, Pages
from exporter.web.rotation import WebSettings

_SHUTDOWN_SECONDS: Final = 0.5
_GOODBYE: Final = 1.0  # seconds that a client is given to close TLS as it should
_BREATH: Final = 0.1  # seconds until we accept again, where the system has no descriptor left
_SWEPT: Final = 16  # ended TLS connections
_REQUESTS: Final = 100  # on one connection, then the client should open a new one
_HEADERS: Final = 16 * 1024  # bytes of a request's line and headers
_SIP: Final = 256  # bytes of what a client says that are understood in one go
_UNTAKEN: Final = (
    32 * 1024
)  # bytes of an answer that wait for the client; with TLS asyncio keeps 512 KiB

TLS_BUFFER: Final = 32 * 1024
"""Bytes that each TLS connection holds for life. asyncio's own 256 KiB, freed, leave memory in pieces."""

sslproto.SSLProtocol.max_size = TLS_BUFFER


class _Sips(asyncio.StreamReader):
    """Gives a little at a time, and lets others have their turn before.

    Hypercorn understands all that it reads without a pause, and the 64 KiB that it asks for may be two
    thousand streams of HTTP/2, opened and reset. Limits hold from the next reading on.
    """

    async def read(self, n: int = -1) -> bytes:
        """Read what has come, at most so many bytes and no more than a sip."""
        await asyncio.sleep(0)
        return await super().read(min(n, _SIP))


class Server:
    """Serves pages until it is stopped."""

    def __init__(
        self,
        pages: Pages,
        settings: WebSettings,
        metrics_path: str,
        most_requests: int,
        most_connections: int = MOST,
    ) -> None:
        self._settings = settings
        self._gate = Gate()
        self._gate.change(settings.in_force.users)
        guard = Guard(
            pages, metrics_path, most_requests, self._gate, lambda: settings.in_force.headers
        )
        self._app = ASGIWrapper(guard)
        self._connections = Connections(most_connections)
        self._config = _config()
        self._context = WorkerContext(None)
        self._ended = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, sockets: list[socket.socket], stop: asyncio.Event) -> None:
        """Serve until `stop` is set, and half a second more for answers under way."""
        asyncio.get_running_loop().set_exception_handler(_tell)
        gc.freeze()  # what is there from the start stays, and need not be looked at by each sweep
        work = [self._accept(listening) for listening in sockets]
        background = [self._start(one) for one in (*work, self._settings.follow(self.refresh))]
        for task in background:
            task.add_done_callback(lambda ended: stop.set() if _failed(ended) else None)
        await stop.wait()
        for task in background:
            task.cancel()
        for listening in sockets:
            listening.close()
        await self._let_go()
        for task in filter(_failed, background):
            task.result()  # raises: without it we would live on and accept nobody

    async def _let_go(self) -> None:
        await self._context.terminated.set()
        for last in (_SHUTDOWN_SECONDS, 0.1):
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=last)
            self._connections.drop()

    def refresh(self) -> None:
        """Go by what is in force now; connections made under an older certificate end."""
        self._gate.change(self._settings.in_force.users)
        self._connections.retire(self._settings.in_force.context)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        trouble: str | None = None
        while True:
            try:
                raw, _ = await loop.sock_accept(listening)
            except ConnectionError:  # gone before we came to it
                continue
            except OSError as error:
                if trouble != error.strerror:
                    trouble = error.strerror
                    logger().warning("cannot accept a connection", reason=trouble)
                await asyncio.sleep(_BREATH)
                continue
            trouble = None
            self._start(self._serve(raw))
            await asyncio.sleep(0)

    async def _serve(self, raw: socket.socket) -> None:
        """Serve one connection to its end."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (for the types: a coroutine runs in a task)
        connection = Connection(raw, task, self._settings.in_force.context)
        self._connections.add(connection)
        try:
            with suppress(OSError, asyncio.CancelledError):  # the client's trouble, or our deadline
                await self._speak(raw, connection)
        except Exception as error:  # noqa: BLE001  (what one client can do must end with its connection)
            logger().debug("a connection ended", reason=f"{type(error).__name__}: {error}")
        finally:
            self._connections.remove(connection)
            connection.forget()
            self._sweep(connection)

    def _sweep(self, ended: Connection) -> None:
        """Free what ended TLS connections hold, in circles that nobody else breaks."""
        self._ended += ended.context is not None
        if self._ended >= _SWEPT:
            self._ended = 0
            gc.collect()

    async def _speak(self, raw: socket.socket, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        # Our sockets do not say that they are TCP, so asyncio would not do this.
        if raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = _Sips(limit=_HEADERS, loop=loop)

        def begun(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Set before connect_accepted_socket returns: a drop in between must find the transport.
            # A writer closes its transport when it is garbage-collected, and since Python 3.13
            # asyncio keeps no reference to this one: the connection must.
            connection.writer = writer

        protocol = asyncio.StreamReaderProtocol(reader, begun, loop)
        tls = connection.context is not None
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            raw,
            ssl=connection.context,
            ssl_handshake_timeout=HELLO if tls else None,
            ssl_shutdown_timeout=_GOODBYE if tls else None,
        )
        transport.set_write_buffer_limits(high=_UNTAKEN)
        writer = connection.writer
        assert writer is not None  # noqa: S101  (for the types: begun was called)
        talk = writer.get_extra_info("ssl_object")
        connection.http2 = isinstance(talk, ssl.SSLObject) and talk.selected_alpn_protocol() == "h2"
        state = {CONNECTION: connection}
        await TCPServer(self._app, loop, self._config, self._context, state, reader, writer).run()


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


def _config() -> ServerConfig:
    config = ServerConfig()
    config.include_server_header = False
    config.keep_alive_timeout = IDLE
    config.keep_alive_max_requests = _REQUESTS
    config.h11_max_incomplete_size = _HEADERS
    config.h2_max_header_list_size = _HEADERS
    config.h2_max_concurrent_streams = STREAMS
    config.errorlog = _bridge()
    return config


def _tell(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Put what nobody waited for into our log, in one line."""
    logger().debug("web server", what=context["message"], error=repr(context.get("exception")))


def _bridge() -> logging.Logger:
    """Bring the server's own words of warning into our log."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logger().warning("web server", what=record.getMessage())

    bridged = logging.getLogger("hypercorn.error")
    bridged.handlers = [Handler(logging.WARNING)]
    bridged.propagate = False
    return bridged
