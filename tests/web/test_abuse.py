"""It keeps answering: bad clients by the hundred, and a good one that scrapes among them."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from attacks import (
    ATTACKS,
    Attack,
    Target,
    memory_of,
    saying,
    silent_below_tls,
    sockets_of,
    statuses_by_http2,
    under,
    without_window,
)
from needs import PATIENCE
from serving import Served
from webtargets import MEGABYTES, OURS, SECONDS, seconds_to_scrape, target_of

from exporter.demo.planted import PlantedRoot
from exporter.web.connections import ANSWER, MOST


@pytest.fixture(scope="module", params=["plain text", "TLS"])
def daemon(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Target]]:
    folder = tmp_path_factory.mktemp("abused")
    root = PlantedRoot(folder / "docker")
    root.image(root.layer((), lambda t: (t / "file").touch()), "base:1")
    with target_of(folder, root.path, tls=request.param == "TLS") as both:
        yield both


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_a_good_client_is_served_amid(attack: Attack, daemon: tuple[Served, Target]) -> None:
    running, target = daemon
    if attack.only_tls and not target.ca:
        return
    pid = running.process.pid
    with under(attack, target):
        for _ in range(5):
            assert seconds_to_scrape(running, target) < SECONDS
            assert sockets_of(pid) <= MOST + OURS
            assert memory_of(pid) < MEGABYTES
    assert "level=error" not in running.log.read_text()


def test_silent_connections_are_closed_in_the_end(daemon: tuple[Served, Target]) -> None:
    """Before the handshake, before a request, amid its headers, and amid HTTP/2's first words."""
    running, target = daemon
    words = (b"", b"GET /metrics HTTP/1.1\r\nX", b"PRI * HTTP/2.0\r\n\r\n")
    with ExitStack() as stack:
        clients = [stack.enter_context(saying(w)(target)) for w in words]
        clients.append(stack.enter_context(silent_below_tls(target)))
        for client in clients:
            client.settimeout(PATIENCE)
            with suppress(ssl.SSLError, ConnectionError):
                while client.recv(1000):
                    pass
    running.await_that(lambda: sockets_of(running.process.pid) < OURS)


def raw(target: Target, words: bytes) -> bytes:
    """Say this, and give all that comes until the server closes."""
    with target.connect() as client:
        client.settimeout(PATIENCE)
        with suppress(ssl.SSLError, ConnectionError):  # answered before all was said
            client.sendall(words)
        answer = b""
        with suppress(ssl.SSLError, ConnectionError):
            while piece := client.recv(1 << 16):
                answer += piece
        return answer


GET = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (GET % b"/../../etc/passwd", b"404"),
        (GET % b"/%2e%2e/%2e%2e/etc/passwd", b"404"),
        (GET % b"/metrics/", b"404"),
        (GET % b"//metrics", b"404"),
        (GET % b"/metrics%00", b"404"),
        (GET % b"/%ff%fe", b"404"),
        (GET % b"http://other/-/healthy", b"200"),
        (GET % b"HTTP://x/metrics?name[]=hardlink_root_up", b"200"),
        (GET % b"http://other", b"200"),
        (GET % b"http://other/nothing", b"404"),
        (GET % b"http:///metrics", b"404"),
        (GET % b"*", b"404"),
        (GET % b"/metrics?name[]=%ff%00&&=", b"200"),
        (GET % (b"/" + b"x" * 10_000), b"404"),
        (GET % (b"/" + b"x" * 100_000), b"431"),
        (GET % "/é".encode(), b"400"),
        (
            b"PUT /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
            b"405",
        ),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"405"),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"405"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
            b"0\r\n\r\n" + GET % b"/-/healthy",
            b"400",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nCONTENT-LENGTH: 5\r\ntransfer-encoding: Chunked\r\n\r\n"
            b"0\r\n\r\n",
            b"400",
        ),
        (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", b"400"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
            b"403",
        ),
    ],
)
def test_odd_requests_get_a_plain_answer_and_the_connection_ends(
    words: bytes, status: bytes, daemon: tuple[Served, Target]
) -> None:
    _, target = daemon
    answer = raw(target, words)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"root:" not in answer


def test_a_client_that_closes_its_half_still_gets_its_answer(
    daemon: tuple[Served, Target],
) -> None:
    _, target = daemon
    if target.ca:  # without TLS's own farewell this is a broken connection there
        return
    with saying(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")(target) as client:
        client.settimeout(PATIENCE)
        socket.socket.shutdown(client, socket.SHUT_WR)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Target]]:
    """A daemon whose report is larger than HTTP/2 sends unasked, and that answers one at once."""
    folder = tmp_path_factory.mktemp("large")
    root = PlantedRoot(folder / "docker")
    chain = root.layer((), lambda t: (t / "file").touch())
    for n in range(200):
        chain = root.layer(() if n % 50 == 0 else chain, lambda t: (t / "file").touch())
        root.image(chain, f"image:{n}")
    with target_of(folder, root.path, tls=True, words=("--web.max-requests=1",)) as both:
        yield both


def test_beyond_max_requests_a_client_is_told_to_come_again(large: tuple[Served, Target]) -> None:
    """A client that takes nothing has the one place; for a moment it keeps it."""
    _, target = large

    def statuses() -> tuple[int, ...]:
        with without_window(target, "/api/v1/report", streams=1):
            return tuple(target.scrape(p)[0] for p in ("/api/v1/report", "/metrics", "/-/healthy"))

    deadline = time.monotonic() + PATIENCE
    while (seen := statuses()) != (503, 200, 200):
        assert time.monotonic() < deadline, seen
        assert target.scrape("/api/v1/report")[0] in (200, 503)


def test_who_does_not_take_an_answer_gives_the_place_to_the_next(
    large: tuple[Served, Target],
) -> None:
    """And is dropped, long before its time to take it is over."""
    _, target = large
    deadline = time.monotonic() + PATIENCE
    while target.scrape("/api/v1/report")[0] != 200:  # the place may be an earlier client's still
        assert time.monotonic() < deadline
    seen = set[int]()
    with without_window(target, "/api/v1/report", streams=1) as stuck:
        deadline = time.monotonic() + ANSWER / 2
        while is_open(stuck):
            seen.add(target.scrape("/api/v1/report")[0])
            assert time.monotonic() < deadline, seen
    assert 200 in seen
    assert seen <= {200, 503}


def is_open(client: socket.socket) -> bool:
    """Take what has come, and tell whether the other end is still there."""
    client.settimeout(0.1)
    try:
        return bool(client.recv(1 << 16))
    except TimeoutError:
        return True
    except (ssl.SSLError, ConnectionError):
        return False


def test_many_requests_at_once_on_one_http2_connection_are_all_answered(
    daemon: tuple[Served, Target],
) -> None:
    _, target = daemon
    if not target.ca:
        return
    assert statuses_by_http2(target, *["/metrics"] * 8) == [200] * 8
