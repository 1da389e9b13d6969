"""A daemon for clients that mean no good, with TLS or without, and what it must keep to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from attacks import Target
from serving import Served, served
from stopwatch import Stopwatch

from exporter.web.connections import HELLO

OURS = 20
"""Sockets of the daemon beside its connections, at most."""

SECONDS = 10.0
"""What Prometheus waits for a scrape by default: all is lost beyond it."""

MEGABYTES = 200
"""Bound of the daemon's memory under any attack; see deploy/web-config.md."""


def seconds_to_scrape(running: Served, target: Target) -> float:
    """How long a good client takes to scrape, but for the time in which others had the CPU.

    A client has HELLO seconds for its handshake. Where the machine lets the daemon run for less, it
    is shut out, and comes again.
    """
    whole = Stopwatch(running.process.pid)
    while True:
        once = Stopwatch(running.process.pid)
        try:
            status, _ = target.scrape()
        except ConnectionError:
            status = 0
        if status:
            assert status == 200
            return whole.seconds
        assert once.delayed > HELLO / 2, "it shut out a good client, and nothing had delayed it"


@contextmanager
def target_of(
    folder: Path, root: Path, *, tls: bool, words: tuple[str, ...] = ()
) -> Iterator[tuple[Served, Target]]:
    """Run a daemon that watches this root until the block ends."""
    trusted = ""
    if tls:
        ca = trustme.CA()
        issued = ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
        issued.write_to_path(folder / "both.pem")
        (folder / "web.yml").write_text(
            "tls_server_config: {cert_file: both.pem, key_file: both.pem}\n"
        )
        words = (*words, f"--web.config.file={folder / 'web.yml'}")
        trusted = ca.cert_pem.bytes().decode()
    with served(folder, *words, str(root)) as daemon:
        target = Target(daemon.port, trusted)
        daemon.await_that(lambda: target.scrape("/-/ready")[0] == 200)
        yield daemon, target
