"""What systemd hears of the daemon: real datagrams from a real process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from needs import PATIENCE
from serving import served

from exporter.daemon.notify import STATUS_SECONDS, Notifier, pause_of
from exporter.demo.planted import PlantedRoot

BEAT = 0.1
"""Seconds; the watchdog of these tests wants to hear twice as often."""

STUCK = f"""
import asyncio, socket, time
from pathlib import Path
from exporter.config import Config
from exporter.daemon.program import Daemon
from exporter.logs import start_logging

def stick():
    print("stuck", flush=True)
    time.sleep(600)

async def main():
    asyncio.get_running_loop().call_later({5 * BEAT}, stick)
    listening = socket.create_server(("127.0.0.1", 0))
    await Daemon(Config, ("/nowhere",), Path("/"), "1").run([listening], "/metrics")

start_logging("info", "logfmt")
asyncio.run(main())
"""
"""The daemon with an event loop that stops turning."""


class Heard:
    """systemd's end: each message is one datagram of NAME=value lines."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def next(self, seconds: float = PATIENCE) -> dict[str, str]:
        self.end.settimeout(seconds)
        lines = self.end.recv(1 << 16).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def until(self, name: str, value: str) -> dict[str, str]:
        """The first message that says so."""
        deadline = time.monotonic() + PATIENCE
        while value not in (message := self.next()).get(name, ""):
            assert time.monotonic() < deadline
        return message

    def until_silence(self, seconds: float) -> None:
        """Wait until nothing was heard for so long."""
        with suppress(TimeoutError):
            for _ in range(100):
                self.next(seconds)
            raise AssertionError("it never falls silent")


@contextmanager
def listening(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Be systemd: what is started in this block finds us in its environment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(address.replace("@", "\0", 1))
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.setenv("WATCHDOG_USEC", str(int(2 * BEAT * 1e6)))
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield Heard(end)


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    with listening(str(tmp_path / "notify"), monkeypatch) as end:
        yield end


@pytest.mark.parametrize("abstract", [False, True])
def test_it_says_ready_once_it_answers_and_then_beats(
    planted: PlantedRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    address = f"@hardlink-exporter-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with listening(address, monkeypatch) as heard, served(tmp_path, str(planted.path)) as daemon:
        first = heard.next()
        assert daemon.get("/-/healthy").status == 200
        assert (first["READY"], first["WATCHDOG"]) == ("1", "1")
        assert [heard.next()["WATCHDOG"] for _ in range(5)] == ["1"] * 5


def test_its_status_line_tells_what_runs_out_first(
    heard: Heard, planted: PlantedRoot, tmp_path: Path
) -> None:
    planted.image(planted.layer((), lambda t: (t / "file").touch()), "base:1")
    (tmp_path / "c.yml").write_text(f"links_limits: {{{planted.path}: 30}}")
    with served(tmp_path, f"--config.file={tmp_path}/c.yml", str(planted.path)):
        told = heard.until("STATUS", "layers fit")
    assert told["STATUS"] == f"{planted.path} (overlay): ok, 29 more layers fit, then links run out"


def test_a_reload_is_told_from_its_beginning_to_its_end(
    heard: Heard, planted: PlantedRoot, tmp_path: Path
) -> None:
    config = tmp_path / "c.yml"
    config.write_text("")
    with served(tmp_path, f"--config.file={config}", str(planted.path)) as daemon:
        heard.next()
        before = time.monotonic_ns() // 1000
        config.write_text("roots: 7")
        daemon.signal(signal.SIGHUP)
        begun = heard.until("RELOADING", "1")
        assert before <= int(begun["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        ended = heard.next()
        assert ended["READY"] == "1"
        assert ended["STATUS"].startswith(
            "config reload failed, keeping the previous configuration; "
        )


def test_the_last_it_says_is_that_it_stops(
    heard: Heard, planted: PlantedRoot, tmp_path: Path
) -> None:
    with served(tmp_path, str(planted.path)) as daemon:
        heard.next()
        daemon.signal(signal.SIGTERM)
        heard.until("STOPPING", "1")
        assert daemon.process.wait(PATIENCE) == 0
        with pytest.raises(TimeoutError):
            heard.next(0.1)


def test_a_loop_that_no_longer_turns_gives_no_sign_of_life(heard: Heard) -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE) as stuck:
        try:
            assert heard.next()["WATCHDOG"] == "1"
            assert stuck.stdout is not None
            assert stuck.stdout.readline() == b"stuck\n"
            heard.until_silence(5 * BEAT)
            assert stuck.poll() is None
        finally:
            stuck.kill()


def test_no_worker_can_speak_in_the_daemons_name(
    heard: Heard, planted: PlantedRoot, tmp_path: Path
) -> None:
    with served(tmp_path, str(planted.path)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        process = daemon.process.pid
        (worker,) = Path(f"/proc/{process}/task/{process}/children").read_text().split() or [
            child
            for task in Path(f"/proc/{process}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
        names = {
            pair.partition(b"=")[0]
            for pair in Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
        }
    assert names & {b"NOTIFY_SOCKET", b"WATCHDOG_USEC", b"WATCHDOG_PID"} == set()
    assert b"PATH" in names


@pytest.mark.parametrize("address", ["/nowhere/notify", "relative", "/" + "x" * 200])
def test_it_serves_on_when_nobody_listens(
    planted: PlantedRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    with served(tmp_path, str(planted.path)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        time.sleep(5 * 0.01)
        assert daemon.log.read_text().count("systemd cannot be told how we are") == 1


def test_it_beats_at_half_the_watchdogs_time() -> None:
    for given, pause in {
        "20000000": 10.0,
        "600000000": STATUS_SECONDS,
        "3000000": 1.5,
        "0": STATUS_SECONDS,
        "soon": STATUS_SECONDS,
        "": STATUS_SECONDS,
    }.items():
        assert pause_of({"WATCHDOG_USEC": given}) == pause
    assert pause_of({}) == STATUS_SECONDS


def test_a_watchdog_of_another_process_is_not_ours() -> None:
    assert pause_of({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}) == STATUS_SECONDS
    assert pause_of({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}) == 0.5


def test_without_systemd_nothing_is_told_and_nothing_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1", "HOME": "/"}
    notifier = Notifier.taken_from(environment)
    assert environment == {"HOME": "/"}
    notifier.serving("well")
    notifier.stopping()
    assert capsys.readouterr().out == ""
