"""The HTTP side: a few read-only pages, each rendered from the newest reports.

Served by hypercorn, because it closes slow and idle connections by itself and does not stall
behind a client that says nothing.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from hypercorn.asyncio import serve
from hypercorn.config import Config as ServerConfig
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder, gzip_accepted

from exporter.config import Thresholds
from exporter.logs import logger
from exporter.metrics import ViewCollector
from exporter.page import POLICY, status_page
from exporter.report import to_json
from exporter.view import View

_SHUTDOWN_SECONDS: Final = 0.5
_PORTS: Final = 65535

_REFUSED: Final = re.compile(r";\s*q=0(\.0*)?\s*(;|$)")

_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"
_PLAIN: Final = "text/plain; charset=utf-8"


class ListenError(Exception):
    """An address cannot be listened on. The text is one sentence with the address."""


@dataclass(frozen=True, slots=True)
class Status:
    """All that the pages show, as of now."""

    view: View
    thresholds: Thresholds
    ready: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response, before compression."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class App:
    """The ASGI application. `status` gives what is to be shown, without touching the disk."""

    def __init__(self, status: Callable[[], Status], metrics_path: str = "/metrics") -> None:
        self._status = status
        self._metrics_path = metrics_path
        self._registry = CollectorRegistry()
        self._registry.register(ViewCollector(lambda: status().view))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    async def __call__(
        self, scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer one request; the start and end of the server are answered with nothing."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": None})
        if scope["type"] != "http":
            return
        answer = self._answer(scope)
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            *answer.headers,
        ]
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": headers,
                "trailers": False,
            }
        )
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _answer(self, scope: HTTPScope) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            body = b"only GET and HEAD are answered here\n"
            return Answer(405, _PLAIN, body, ((b"allow", b"GET, HEAD"),))
        path = scope["path"]
        if path == self._metrics_path:
            return self._metrics(scope)
        if path == "/":
            return self._page()
        if path == "/api/v1/report":
            return Answer(200, _JSON, to_json(self._status().view.reports).encode())
        if path == "/-/healthy":
            return Answer(200, _PLAIN, b"healthy\n")
        if path == "/-/ready":
            if self._status().ready:
                return Answer(200, _PLAIN, b"ready\n")
            return Answer(503, _PLAIN, b"not ready: a root has no answer yet\n")
        return Answer(404, _PLAIN, b"not found; there is a list of pages at /\n")

    def _page(self) -> Answer:
        status = self._status()
        page = status_page(
            status.view.reports, status.thresholds, status.view.version, self._metrics_path
        )
        policy = (b"content-security-policy", POLICY.encode())
        return Answer(200, _HTML, page.encode(), (policy, (b"referrer-policy", b"no-referrer")))

    def _metrics(self, scope: HTTPScope) -> Answer:
        """Render the metrics in the format that the client asks for."""
        try:
            encode, content_type = choose_encoder(_wanted(scope, b"accept"))
        except (TypeError, ValueError):  # a version that is none
            encode, content_type = choose_encoder("")
        names = parse_qs(scope["query_string"].decode("latin-1")).get("name[]")
        if names:
            body = encode(self._registry.restricted_registry(names))
        else:
            body = encode(self._registry)
        vary = (b"vary", b"accept, accept-encoding")
        if gzip_accepted(_wanted(scope, b"accept-encoding")):
            packed = gzip.compress(body, compresslevel=1)
            return Answer(200, content_type, packed, (vary, (b"content-encoding", b"gzip")))
        return Answer(200, content_type, body, (vary,))


def _wanted(scope: HTTPScope, name: bytes) -> str:
    """Give a header's list without what the client refuses (`q=0`)."""
    values = [v.decode("latin-1") for n, v in scope["headers"] if n.lower() == name]
    parts = [part.strip() for value in values for part in value.split(",")]
    return ",".join(part for part in parts if not _REFUSED.search(part))


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
