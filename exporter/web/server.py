"""Serving the application on sockets.

Hypercorn does it, because it closes slow and idle connections by itself and does not stall
behind a client that says nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Final

from hypercorn.asyncio import serve
from hypercorn.config import Config as ServerConfig

from exporter.logs import logger
from exporter.web.app import App

_SHUTDOWN_SECONDS: Final = 0.5
_PORTS: Final = 65535


class ListenError(Exception):
    """An address cannot be listened on. The text is one sentence with the address."""


def listen(address: str) -> socket.socket:
    """Bind one address: `host:port`, `[ipv6]:port`, or `:port` for all of this host's addresses.

    Raises ListenError.
    """
    host, _, port_text = address.rpartition(":")
    if not port_text.isascii() or not port_text.isdigit() or int(port_text) > _PORTS:
        raise ListenError(f"{address}: it should be host:port, with a port up to 65535")
    host, port = host.removeprefix("[").removesuffix("]"), int(port_text)
    try:
        if host:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((host, port), family=family)
        if socket.has_dualstack_ipv6():
            try:
                return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
            except OSError as error:
                logger().debug("no IPv6 here", reason=error.strerror)
        return socket.create_server(("", port))
    except OSError as error:
        # socket adds the address to the text of errno; a failed look-up has a text of its own
        known = error.errno or 0
        why = os.strerror(known) if known > 0 else error.strerror
        raise ListenError(f"{address}: cannot listen there: {why}") from None


async def run_server(app: App, sockets: list[socket.socket], stop: asyncio.Event) -> None:
    """Serve until `stop` is set, and half a second more for answers under way."""
    config = ServerConfig()
    config.bind = [f"fd://{s.detach()}" for s in sockets]
    config.include_server_header = False
    config.graceful_timeout = _SHUTDOWN_SECONDS
    config.errorlog = _bridge()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait, mode="asgi"))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({server, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    await asyncio.wait({server}, timeout=_SHUTDOWN_SECONDS)
    if server.done():
        server.result()
    else:
        server.cancel()


def _bridge() -> logging.Logger:
    """Bring the server's own words of warning into our log."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logger().warning("web server", what=record.getMessage())

    bridged = logging.getLogger("hypercorn.error")
    bridged.handlers = [Handler(logging.WARNING)]
    bridged.propagate = False
    return bridged
