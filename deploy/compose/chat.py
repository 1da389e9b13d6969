"""Stands in for a chat in the demo of compose.yaml: prints what Alertmanager says."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final

PORT: Final = 8080
_MOST_BYTES: Final = 1 << 20


class Chat(BaseHTTPRequestHandler):
    """Takes messages as Slack's webhooks take them."""

    timeout = 10

    def do_POST(self) -> None:
        """Print one message."""
        length = min(int(self.headers.get("Content-Length", "0")), _MOST_BYTES)
        message = json.loads(self.rfile.read(length))
        print("\n".join(lines(message)), flush=True)
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *words: object) -> None:
        """Say nothing of requests: the messages are what is to be read."""


def lines(message: dict[str, object]) -> list[str]:
    """Give the lines of a message: to whom, its title, and its text."""
    told = [f"-- to {message.get('channel', 'all')}"]
    attachments = message.get("attachments")
    for part in attachments if isinstance(attachments, list) else []:
        told += [str(part.get("title", "")), str(part.get("text", ""))]
    return told


if __name__ == "__main__":
    HTTPServer(("", PORT), Chat).serve_forever()
