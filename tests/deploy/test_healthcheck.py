"""The container's health check, asked on real daemons and sockets."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from needs import need_program
from serving import free_port, served
from shipped import TOP

from exporter.commands.common import DEFAULT_PORT

FILE = TOP / "deploy/container/healthcheck.py"
spec = importlib.util.spec_from_file_location("healthcheck", FILE)
assert spec is not None
assert spec.loader is not None
healthcheck = importlib.util.module_from_spec(spec)
spec.loader.exec_module(healthcheck)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Listen on a port and answer one client so."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_one() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(answer)

        thread = threading.Thread(target=answer_one)
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
        10: ["/opt/bin/python3", "-m", "exporter.daemon.worker", "5"],
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


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 \r\n\r\n", b"HTTP/1.1 401 \r\n\r\n", b""])
def test_words_of_a_daemon_that_lives_are_well(answer: bytes) -> None:
    with answering(answer) as port:
        assert healthcheck.complaint("127.0.0.1", port, 10.0) is None


def test_an_answer_of_something_else_is_told() -> None:
    with answering(b"HTTP/1.1 500 oh\r\n\r\n") as port:
        said = healthcheck.complaint("127.0.0.1", port, 10.0)
        assert said == f"127.0.0.1 port {port} answers HTTP/1.1 500"


def test_a_server_that_speaks_tls_is_well(tmp_path: Path) -> None:
    need_program("openssl")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-x509")
    files = ("-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost")
    subprocess.run(["openssl", "req", *new, *files], cwd=tmp_path, check=True, capture_output=True)
    port = free_port()
    words = ["-accept", f"127.0.0.1:{port}", "-key", "key.pem", "-cert", "cert.pem", "-quiet"]
    with subprocess.Popen(["openssl", "s_server", *words], cwd=tmp_path, stderr=-3) as server:
        deadline = time.monotonic() + 20
        while (said := healthcheck.complaint("127.0.0.1", port, 10.0)) is not None:
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        server.terminate()


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
