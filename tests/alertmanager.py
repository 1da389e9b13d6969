"""A real Alertmanager for tests, and somebody who reads what it sends."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ending import end
from needs import PATIENCE, need_program
from serving import free_port

ALERTMANAGER = "prometheus-alertmanager"
AMTOOL = "amtool"

EXAMPLE = Path(__file__).parent.parent / "deploy/alertmanager"


@dataclass(frozen=True)
class Message:
    """What a person reads in the chat."""

    channel: str
    color: str
    title: str
    text: str


@dataclass
class Chat:
    """A chat's webhook on loopback. `messages` are those that came, oldest first."""

    port: int
    messages: list[Message] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def titled(self, title: str) -> list[Message]:
        """The messages whose title begins so."""
        return [message for message in list(self.messages) if message.title.startswith(title)]


@contextmanager
def chat() -> Iterator[Chat]:
    """Take messages on a free port of loopback until the block ends."""
    heard: list[Message] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (one,) = said["attachments"]
            heard.append(Message(said["channel"], one["color"], one["title"], one["text"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the address is a secret."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        thread = threading.Thread(target=server.serve_forever, name="chat", daemon=True)
        thread.start()
        try:
            yield Chat(server.server_address[1], heard)
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Alertmanager:
    """A running server. `folder` holds its configuration, data and log."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def post(self, alerts: Sequence[Mapping[str, str]]) -> None:
        """Raise alerts, given by their labels."""
        body = json.dumps([{"labels": labels} for labels in alerts]).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v2/alerts",
            body,
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            assert response.status == 200

    def alerts(self) -> list[dict[str, Any]]:
        """All alerts with their status."""
        url = f"http://127.0.0.1:{self.port}/api/v2/alerts"
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            found: list[dict[str, Any]] = json.load(response)
        return found

    def await_that(self, what: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until `what()` is true."""
        deadline = time.monotonic() + seconds
        while not what():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, f"after {seconds} s it is not so; {self.log}"
            time.sleep(0.1)

    @property
    def log(self) -> str:
        """The end of what it logged."""
        return (self.folder / "alertmanager.log").read_text()[-4000:]


@contextmanager
def alertmanager(folder: Path, chat: Chat) -> Iterator[Alertmanager]:
    """Run a server with the example's own files until the block ends; only the secret is ours."""
    need_program(ALERTMANAGER)
    for name in ("alertmanager.yml", "hardlink.tmpl"):
        (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    (folder / "slack-url").write_text(f"{chat.url}\n")
    port = free_port()
    with (folder / "alertmanager.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(ALERTMANAGER, f"--config.file={folder / 'alertmanager.yml'}"),
                *(f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address="),
                *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
                f"--web.external-url=http://127.0.0.1:{port}/",
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    running = Alertmanager(process, port, folder)
    try:
        running.await_that(lambda: _is_ready(port))
        yield running
    finally:
        end(process)


def amtool(*words: str | Path) -> str:
    """Run amtool; give what it printed. Raises AssertionError where it finds fault."""
    need_program(AMTOOL)
    done = subprocess.run([AMTOOL, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
