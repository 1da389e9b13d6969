"""A host with thousands of images: its report is megabytes, and takes a while to write."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import cast

import pytest
from attacks import ATTACKS, Attack, Target, memory_of, saying, sockets_of, under
from hypercorn.typing import ASGIReceiveEvent, ASGISendEvent, ConnectionState, HTTPScope
from serving import Served
from statuses import root, status
from webtargets import MEGABYTES, OURS, SECONDS, seconds_to_scrape, target_of

from exporter.demo.planted import PlantedRoot
from exporter.web.answer import PLAIN, Answer
from exporter.web.app import App
from exporter.web.auth import Gate
from exporter.web.connections import MOST, Connection
from exporter.web.guard import CONNECTION, Guard

IMAGES = 2000


def scope_of(path: str, connection: Connection | None = None) -> HTTPScope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": None,
        "server": None,
        "state": ConnectionState({CONNECTION: connection}),
        "extensions": {},
    }


def test_a_report_is_written_once_until_something_else_is_known() -> None:
    known = [status(root("/a")), status(root("/a")), status(root("/a", links=3))]
    app = App(lambda: known[0])
    first, again = (app.answer(scope_of("/api/v1/report")).body for _ in range(2))
    del known[0]
    equal = app.answer(scope_of("/api/v1/report")).body
    del known[0]
    other = app.answer(scope_of("/api/v1/report")).body
    assert first is again
    assert first is equal
    assert b'"links": 3' in other
    assert b'"links": 3' not in first


def test_scrapes_and_probes_go_before_reports() -> None:
    """Whoever scrapes on a connection that had many answers goes before newcomers that want a report."""
    made = list[str]()

    def pages(scope: HTTPScope) -> Answer:
        made.append(scope["path"])
        return Answer(200, PLAIN, b"ok")

    async def receive() -> ASGIReceiveEvent:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(_: ASGISendEvent) -> None:
        await asyncio.sleep(0)

    async def story() -> None:
        guard = Guard(pages, "/metrics", 40, Gate(), lambda: ())
        with ExitStack() as stack:

            async def ask(path: str, had: int) -> None:
                ours, _ = (stack.enter_context(one) for one in socket.socketpair())
                task = cast("asyncio.Task[None]", asyncio.current_task())
                connection = Connection(ours, task, None)
                connection.had = had
                await guard(scope_of(path, connection), receive, send)
                connection.forget()

            asked = [("/api/v1/report", 0)] * 3 + [("/", 0), ("/metrics", 90), ("/-/ready", 90)]
            await asyncio.gather(*(ask(*one) for one in asked))

    asyncio.run(story())
    assert made == ["/api/v1/report", "/metrics", "/-/ready", *["/api/v1/report"] * 2, "/"]


@pytest.fixture(scope="module", params=["plain text", "TLS"])
def broad(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Target]]:
    folder = tmp_path_factory.mktemp("broad")
    planted = PlantedRoot(folder / "docker")
    layer = planted.layer((), lambda t: (t / "file").touch())
    for n in range(IMAGES):
        planted.image(layer, f"image:{n}")
    with target_of(folder, planted.path, tls=request.param == "TLS") as both:
        yield both


REPORT = b"GET /api/v1/report HTTP/1.1\r\nHost: x\r\n\r\n"
PAGE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "attack",
    [
        *(a for a in ATTACKS if a.name == "clients that read nothing"),
        Attack("concurrent reports", 200, saying(REPORT), more=REPORT, every=0.5),
        Attack("concurrent pages", 200, saying(PAGE), more=PAGE, every=0.5),
    ],
    ids=lambda a: a.name,
)
def test_a_good_client_is_served_amid_large_answers(
    attack: Attack, broad: tuple[Served, Target]
) -> None:
    running, target = broad
    pid = running.process.pid
    assert target.scrape("/api/v1/report")[0] == 200
    with under(attack, target):
        for _ in range(5):
            assert seconds_to_scrape(running, target) < SECONDS
            assert sockets_of(pid) <= MOST + OURS
            assert memory_of(pid) < MEGABYTES
    assert "level=error" not in running.log.read_text()
