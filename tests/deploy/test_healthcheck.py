"""The container's health check, asked on real daemons and sockets."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serving import free_port, served
from shipped import TOP
from webclients import MUTUAL, TLS, papers_in

from exporter.commands.common import DEFAULT_PORT

FILE = TOP / "deploy/container/healthcheck.py"
spec = importlib.util.spec_from_file_location("healthcheck", FILE)
assert spec is not None
assert spec.loader is not None
healthcheck = importlib.util.module_from_spec(spec)
spec.loader.exec_module(healthcheck)


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """Listen on a port and answer one client after another so."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_all() -> None:
            for answer in answers:
                client, _ = server.accept()
                with client:
                    client.recv(1000)
                    client.sendall(answer)

        thread = threading.Thread(target=answer_all)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["serve"], ("127.0.0.1", DEFAULT_PORT)),
        (["serve", "--web.listen-address=:9"], ("127.0.0.1", 9)),
        (["serve", "--web.listen-address", "0.0.0.0:9", "/root"], ("127.0.0.1", 9)),
        (["serve", "--web.listen-address=[::]:9"], ("::1", 9)),
        (["serve", "--web.listen-address=[fd00::1]:9"], ("fd00::1", 9)),
        (
            ["serve", "--web.listen-address=10.0.0.1:9", "--web.listen-address=:8"],
            ("10.0.0.1", 9),
        ),
    ],
)
def test_the_daemons_own_words_tell_where_it_listens(
    words: list[str], place: tuple[str, int]
) -> None:
    assert healthcheck.address_of(words) == place


def test_the_daemon_is_found_behind_an_init_and_beside_others(tmp_path: Path) -> None:
    commands = {
        1: ["/sbin/docker-init", "--", "/opt/hardlink-exporter/bin/hardlink-exporter", "serve"],
        7: ["/opt/bin/python3", "/opt/hardlink-exporter/bin/hardlink-exporter", "serve", "--x"],
        10: ["/opt/bin/python3", "-P", "-m", "exporter.daemon.worker", "7", "5"],
    }
    for pid in (10, 7):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_text("".join(f"{w}\0" for w in commands[pid]))
    (tmp_path / "self").mkdir()
    (tmp_path / "8").mkdir()  # it ended just now
    assert healthcheck.daemon_words(str(tmp_path)) == ["serve", "--x"]
    (tmp_path / "1").mkdir()
    (tmp_path / "1/cmdline").write_text("".join(f"{w}\0" for w in commands[1]))
    assert healthcheck.daemon_words(str(tmp_path)) == ["serve"]
    assert healthcheck.daemon_words(str(tmp_path / "8")) is None


def test_a_daemon_is_well_until_it_hangs(tmp_path: Path) -> None:
    with served(tmp_path, str(tmp_path)) as daemon:
        assert healthcheck.complaint("127.0.0.1", daemon.port, 10.0) is None
        daemon.signal(signal.SIGSTOP)
        said = healthcheck.complaint("127.0.0.1", daemon.port, 0.3)
        daemon.signal(signal.SIGCONT)
        assert said == f"no answer from 127.0.0.1 port {daemon.port}: timed out"


def test_where_nobody_listens_there_is_no_answer() -> None:
    port = free_port()
    said = healthcheck.complaint("127.0.0.1", port, 10.0)
    assert said == f"no answer from 127.0.0.1 port {port}: Connection refused"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 \r\n\r\n", b"HTTP/1.1 401 \r\n\r\n"])
def test_words_of_a_daemon_that_lives_are_well(answer: bytes) -> None:
    with answering(answer) as port:
        assert healthcheck.complaint("127.0.0.1", port, 10.0) is None


@pytest.mark.parametrize("answer", [b"HTTP/1.1 500", b"SSH-2.0-Open"])
def test_an_answer_of_something_else_is_told(answer: bytes) -> None:
    with answering(answer) as port:
        said = healthcheck.complaint("127.0.0.1", port, 10.0)
        assert said == f"127.0.0.1 port {port} answers {answer.decode()}"


def test_who_hangs_up_on_plain_words_and_on_tls_alike_is_not_well() -> None:
    with answering(b"", b"") as port:
        said = healthcheck.complaint("127.0.0.1", port, 10.0)
        assert said == f"127.0.0.1 port {port} hangs up without an answer"


@pytest.mark.parametrize(
    "tls", [TLS, MUTUAL, f"{TLS}  min_version: TLS13\n", f"{TLS}  max_version: TLS12\n"]
)
def test_a_daemon_that_speaks_tls_is_well_until_it_hangs(tmp_path: Path, tls: str) -> None:
    papers = papers_in(tmp_path / "papers")
    with served(tmp_path, f"--web.config.file={papers.config(tls)}", str(tmp_path)) as daemon:
        assert healthcheck.complaint("127.0.0.1", daemon.port, 10.0) is None
        daemon.signal(signal.SIGSTOP)
        said = healthcheck.complaint("127.0.0.1", daemon.port, 0.3)
        daemon.signal(signal.SIGCONT)
        assert said == f"no answer from 127.0.0.1 port {daemon.port}: timed out"


def test_it_imports_next_to_nothing() -> None:
    heavy = "{'ssl', 'http', 'urllib', 'asyncio', 'click', 'exporter'}"
    program = (
        "import runpy, sys\n"
        f"try: runpy.run_path({str(FILE)!r}, run_name='__main__')\n"
        f"finally: print(sorted({heavy} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]"
