"""The page as a real daemon serves it."""

from __future__ import annotations

import gzip
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Served, served

from exporter.demo.planted import PlantedRoot


def test_the_page_shows_the_configuration_in_force_and_when_a_newer_one_was_refused(
    planted: PlantedRoot, tmp_path: Path
) -> None:
    planted.image(planted.layer((), lambda t: (t / "base").touch()), "base:1")
    file = tmp_path / "config.yml"
    file.write_text("thresholds: {warning: 33}\n")
    with served(tmp_path, "--config.file", str(file), str(planted.path)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        page = daemon.get("/").text
        assert "<code>thresholds.warning</code></th><td><bdi>33</bdi>" in page
        assert f"<code>roots[0]</code></th><td><bdi>{planted.path}</bdi>" in page
        assert "was refused" not in page
        file.write_text("thresholds: {warning: 44}\n")
        daemon.signal(signal.SIGHUP)
        daemon.await_that(lambda: "<bdi>44</bdi>" in daemon.get("/").text)
        file.write_text("thresholds: {warning: many}\n")
        daemon.signal(signal.SIGHUP)
        daemon.await_that(lambda: "was refused" in daemon.get("/").text)
        assert "<bdi>44</bdi>" in daemon.get("/").text


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon with an empty root and an odd path for its metrics."""
    folder = tmp_path_factory.mktemp("served")
    root = PlantedRoot(folder / "docker")
    with served(folder, "--web.telemetry-path=/m;x=1/päge?#", str(root.path)) as running:
        running.await_that(lambda: running.get("/-/ready").status == 200)
        yield running


def test_the_page_is_sent_small_to_whoever_can_read_it(daemon: Served) -> None:
    plain, packed = daemon.get("/"), daemon.get("/", **{"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert b"</html>" in gzip.decompress(packed.body)
    assert len(packed.body) < len(plain.body) / 2
    assert plain.headers["vary"] == packed.headers["vary"] == "accept-encoding"
    for answer in (plain, packed):
        assert answer.headers["content-security-policy"].startswith("default-src 'none';")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


def test_every_link_of_the_page_leads_to_an_answer(daemon: Served) -> None:
    links = [part.partition('"')[0] for part in daemon.get("/").text.split('<a href="')[1:]]
    assert len(links) == 4
    for link in links:
        assert link.startswith("./")
        assert daemon.get(link[1:]).status == 200, link
