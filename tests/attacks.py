"""Clients that mean no good, and one that does: for tests and for the benchmark."""

from __future__ import annotations

import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.settings
from needs import PATIENCE


@dataclass(frozen=True)
class Target:
    """Where a daemon listens on loopback, and the CA of its certificate if it speaks TLS."""

    port: int
    ca: str = ""

    def connect(self, *alpn: str) -> socket.socket:
        """Open a connection, with TLS and offering these protocols if that is spoken."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.ca:
            return raw
        try:
            return _context(self.ca, alpn).wrap_socket(raw, server_hostname="127.0.0.1")
        except OSError:
            raw.close()
            raise

    def scrape(self, path: str = "/metrics") -> tuple[int, float]:
        """Scrape as a good client does on a connection of its own: the status, and the seconds.

        The status is 0 where no answer came.
        """
        began = time.monotonic()
        with self.connect() as client:
            client.settimeout(PATIENCE)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            with suppress(ssl.SSLEOFError):
                while piece := client.recv(1 << 16):
                    answer += piece
        status = int(answer.split(b" ", 2)[1]) if answer else 0
        return status, time.monotonic() - began


@cache
def _context(ca: str, alpn: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


Open = Callable[[Target], socket.socket]


def saying(words: bytes) -> Open:
    """A client that says this and nothing more."""

    def opened(target: Target) -> socket.socket:
        client = target.connect()
        try:
            client.sendall(words)
        except OSError:
            client.close()
            raise
        return client

    return opened


def silent_below_tls(target: Target) -> socket.socket:
    return socket.create_connection(("127.0.0.1", target.port), timeout=PATIENCE)


def half_closed(target: Target) -> socket.socket:
    client = saying(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")(target)
    socket.socket.shutdown(client, socket.SHUT_WR)
    return client


def deaf(target: Target) -> socket.socket:
    """Ask for a lot, over a small window, and read nothing."""
    client = target.connect()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    words = b"GET /api/v1/report HTTP/1.1\r\nHost: x\r\n\r\n" * 500
    with suppress(BlockingIOError, ssl.SSLWantWriteError):
        client.send(words)
    return client


def statuses_by_http2(target: Target, *paths: str, alpn: tuple[str, ...] = ("h2",)) -> list[int]:
    """Ask by HTTP/2, whatever is agreed on, and give the status of each answer."""
    talk = h2.connection.H2Connection(h2.config.H2Configuration())
    talk.initiate_connection()
    for n, path in enumerate(paths):
        talk.send_headers(2 * n + 1, _headers(path), end_stream=True)
    statuses: dict[int, int] = {}
    with target.connect(*alpn) as client:
        client.sendall(talk.data_to_send())
        while len(statuses) < len(paths) and (data := client.recv(1 << 16)):
            for event in talk.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    statuses[event.stream_id] = int(dict(event.headers)[b":status"])
    return [statuses[stream] for stream in sorted(statuses)]


def _headers(path: str) -> list[tuple[str, str]]:
    return [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "x")]


def without_window(target: Target, path: str = "/metrics", streams: int = 8) -> socket.socket:
    """Ask by HTTP/2, and allow not one byte of an answer."""
    client = target.connect("h2")
    talk = h2.connection.H2Connection(h2.config.H2Configuration())
    talk.local_settings = h2.settings.Settings(
        client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0}
    )
    talk.initiate_connection()
    for stream in range(streams):
        talk.send_headers(2 * stream + 1, _headers(path), end_stream=True)
    client.sendall(talk.data_to_send())
    return client


def by_http2(target: Target) -> socket.socket:
    return target.connect("h2")


@cache
def streams_reset(number: int) -> bytes:
    """Give so many streams of HTTP/2, each opened with a request and reset at once: CVE-2023-44487."""
    talk = h2.connection.H2Connection(h2.config.H2Configuration())
    talk.initiate_connection()
    for stream in range(1, 2 * number, 2):
        talk.send_headers(stream, _headers("/metrics"), end_stream=True)
        talk.reset_stream(stream)
    return talk.data_to_send()


def pings(number: int) -> bytes:
    """Give so many questions of HTTP/2 whether the other one is there, each to be answered."""
    talk = h2.connection.H2Connection(h2.config.H2Configuration())
    talk.initiate_connection()
    for _ in range(number):
        talk.ping(bytes(8))
    return talk.data_to_send()


@dataclass(frozen=True)
class Attack:
    """So many clients who open a connection each, and once all are there say these words at once.

    Then each goes on to say `more` every so often.
    """

    name: str
    clients: int
    open: Open
    words: Callable[[], bytes] | None = None
    more: bytes = b""
    every: float = 0.3
    only_tls: bool = False


_GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_CHUNKED = b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

ATTACKS = (
    Attack("idle TCP connections", 1000, silent_below_tls),
    Attack("idle connections after the handshake", 1000, saying(b"")),
    Attack("slow headers", 200, saying(_GET), more=b"X-More: x\r\n"),
    Attack(
        "slow bodies",
        200,
        saying(_GET[:-2] + b"\r\nContent-Length: 9999999\r\n\r\n"),
        more=b"x",
    ),
    Attack(
        "bodies in many pieces", 200, saying(_CHUNKED + b"1\r\nx\r\n" * 100), more=b"1\r\nx\r\n"
    ),
    Attack("huge headers", 200, saying(_GET + b"X-Huge: " + b"x" * 100_000)),
    Attack("half-closed connections", 200, half_closed),
    Attack("clients that read nothing", 200, deaf),
    Attack("HTTP/2 without a window", 100, without_window, only_tls=True),
    Attack(
        "HTTP/2 with 2,000 streams opened and reset",
        100,
        by_http2,
        partial(streams_reset, 2000),
        only_tls=True,
    ),
    Attack("HTTP/2 with 4,000 pings", 200, by_http2, partial(pings, 4000), only_tls=True),
    Attack(
        "wrong methods",
        200,
        saying(b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n"),
        more=b"BREW / HTTP/1.1\r\n",
    ),
    Attack("garbage", 200, saying(bytes(range(256)) * 40 + b"\r\n\r\n")),
    Attack("garbage after HTTP/2's first words", 200, saying(_PREFACE + bytes(range(256)) * 40)),
    Attack("concurrent scrapes", 200, saying(_GET + b"\r\n"), more=_GET + b"\r\n", every=3.0),
)


@dataclass
class Crowd:
    """The clients of an attack under way; once `quiet` is set they say no more, but close nothing."""

    clients: list[socket.socket] = field(default_factory=list)
    refused: int = 0
    quiet: threading.Event = field(default_factory=threading.Event)


@contextmanager
def under(attack: Attack, target: Target) -> Iterator[Crowd]:
    """Attack while the block runs; the attackers close nothing before it ends."""
    allow_descriptors(attack.clients + 500)
    crowd = Crowd()
    with ExitStack() as stack:
        for _ in range(attack.clients):
            try:
                crowd.clients.append(stack.enter_context(attack.open(target)))
            except OSError:  # shut while it was still speaking
                crowd.refused += 1
        _say_at_once(attack, crowd)

        def go_on() -> None:
            for client in crowd.clients:
                client.setblocking(False)
            while not crowd.quiet.wait(attack.every):
                for client in crowd.clients:
                    with suppress(OSError):
                        client.send(attack.more)

        thread = threading.Thread(target=go_on, daemon=True)
        if attack.more:
            thread.start()
        try:
            yield crowd
        finally:
            crowd.quiet.set()
            if attack.more:
                thread.join()


def _say_at_once(attack: Attack, crowd: Crowd) -> None:
    words = attack.words() if attack.words else b""
    for client in crowd.clients:
        with suppress(OSError):
            client.sendall(words)


def allow_descriptors(number: int) -> None:
    """Let this process open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))


def sockets_of(pid: int) -> int:
    """Count the sockets that a process has open."""
    count = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            count += str(fd.readlink()).startswith("socket:")
    return count


def memory_of(pid: int) -> float:
    """The resident memory of one process, in megabytes."""
    (line,) = (
        x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS:")
    )
    return int(line.split()[1]) / 1000
