"""A server that shows the status page of one made moment after another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from statuses import NOW, status

from exporter.web.page.document import POLICY, status_page
from exporter.web.status import Status


@dataclass
class Stage:
    """Shows the page of one made moment after another."""

    url: str = ""
    shown: Status = field(default_factory=status)
    answer: int = 200

    def page(self) -> bytes:
        return status_page(self.shown, "/metrics", NOW).encode()


@contextmanager
def staged() -> Iterator[Stage]:
    """Serve the real page of whatever moment the test sets."""
    on = Stage()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/"
            body = on.page() if found else b""
            self.send_response(on.answer if found else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-security-policy", POLICY)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        on.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield on
        server.shutdown()
        thread.join()
