"""The demo: a newcomer watches layers left fall to 0."""

from __future__ import annotations

import signal
from pathlib import Path

from needs import PATIENCE
from serving import Served, served

from exporter.demo.growth import LINKS_LIMIT, NAMES, Growth


def left(daemon: Served) -> float | None:
    line = next(
        (
            x
            for x in daemon.get("/metrics").text.splitlines()
            if x.startswith("hardlink_layers_left{") and 'resource="links"' in x
        ),
        None,
    )
    return float(line.rpartition(" ")[2]) if line else None


def test_the_demo_counts_down_and_cleans_up_after_itself(tmp_path: Path) -> None:
    with served(tmp_path, command="demo") as daemon:
        daemon.await_that(lambda: left(daemon) is not None)
        begun = left(daemon) or 0
        daemon.await_that(lambda: (left(daemon) or begun) <= begun - 2)
        assert list(tmp_path.glob("hardlink-exporter-demo-*"))
        assert "shop:latest" in daemon.get("/").text
        daemon.signal(signal.SIGINT)
        assert daemon.process.wait(PATIENCE) == 0
    assert not list(tmp_path.glob("hardlink-exporter-demo-*"))
    assert "its own links limit" in (tmp_path / "stdout").read_text()


def test_the_demos_root_grows_to_its_limit_and_no_further(tmp_path: Path) -> None:
    growth = Growth(tmp_path / "docker", lambda _: None)
    while growth.left:
        growth.add_layer()
    busybox = next((tmp_path / "docker").glob("overlay/*/root/bin/busybox"))
    assert busybox.lstat().st_nlink == LINKS_LIMIT // NAMES * NAMES
