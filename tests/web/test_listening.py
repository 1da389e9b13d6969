"""Where it listens: addresses of both families, and sockets that systemd hands over."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from looking import Run
from needs import PATIENCE, missing, need_program
from serving import free_port, served
from webclients import MUTUAL, Papers, curl, hashed

from exporter.web.answer import Answer
from exporter.web.rotation import WebSettings
from exporter.web.server import Server
from exporter.web.sockets import ListenError, inherited


def test_it_listens_on_several_addresses_of_both_families(tmp_path: Path) -> None:
    need_program("curl")
    if not socket.has_ipv6:
        missing("IPv6")
    other = free_port()
    words = (f"--web.listen-address=[::1]:{other}", "/nonexistent")
    with served(tmp_path, *words) as daemon:
        for address in (f"127.0.0.1:{daemon.port}", f"[::1]:{other}"):
            assert curl(f"http://{address}/-/healthy").status == 200


HAND_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid());"
    " os.execv(sys.executable, [sys.executable, '-m', 'exporter', 'serve', *sys.argv[2:]])"
)
"""What systemd does last: the socket at descriptor 3, our process id in the environment, and go."""


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_it_serves_on_sockets_that_systemd_hands_over(
    family: socket.AddressFamily, tmp_path: Path
) -> None:
    need_program("curl")
    path = tmp_path / "socket"
    with socket.socket(family) as listening:
        listening.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(path))
        listening.listen()
        log = tmp_path / "log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", HAND_OVER, str(listening.fileno())),
                    *("--web.systemd-socket", str(tmp_path)),
                ],
                pass_fds=[listening.fileno()],
                env=os.environ | {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"},
                stderr=stderr,
            )
        try:
            if family == socket.AF_INET:
                shown = f"127.0.0.1:{listening.getsockname()[1]}"
                said = curl(f"http://{shown}/metrics")
            else:
                shown = f"unix:{path}"
                said = curl("http://daemon/metrics", "--unix-socket", str(path))
            assert said.status == 200, log.read_text()
            assert "hardlink_exporter_build_info" in said.body
            assert f"addresses={shown}" in log.read_text()
            for tasks in Path(f"/proc/{process.pid}/task").glob("*/children"):
                for worker in tasks.read_text().split():
                    environment = Path(f"/proc/{worker}/environ").read_bytes()
                    assert b"LISTEN_PID=" not in environment
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0


def test_without_a_socket_of_systemd_it_says_so(run: Run) -> None:
    done = run("serve", "--web.systemd-socket", "/nonexistent")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "hardlink-exporter: --web.systemd-socket: systemd has handed over no socket;"
        " it needs a .socket unit of the service's name\n"
    )


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"},
    ],
)
def test_sockets_meant_for_another_are_not_taken(environment: dict[str, str]) -> None:
    with pytest.raises(ListenError, match="systemd has handed over no socket"):
        inherited(environment)
    assert environment == {}


def test_a_server_that_can_accept_no_more_ends_instead_of_living_on_deaf() -> None:
    closed = socket.socket()
    closed.close()
    server = Server(lambda _scope: Answer(200, "text/plain", b""), WebSettings(), "/metrics", 1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        asyncio.run(asyncio.wait_for(server.run([closed], asyncio.Event()), PATIENCE))


def test_prometheus_scrapes_over_mutual_tls_with_a_password(papers: Papers) -> None:
    need_program("prometheus")
    folder = papers.folder
    papers.client("prometheus")
    path = papers.config(f"{MUTUAL}basic_auth_users:\n  prometheus: {hashed('secret', '2y', 10)}\n")
    port = free_port()
    with served(folder, f"--web.config.file={path}", str(folder)) as daemon:
        (folder / "prometheus.yml").write_text(
            f"""
global: {{scrape_interval: 2s, scrape_timeout: 2s}}
scrape_configs:
  - job_name: hardlink
    scheme: https
    basic_auth: {{username: prometheus, password: secret}}
    tls_config: {{ca_file: ca.pem, cert_file: prometheus.pem, key_file: prometheus.pem}}
    static_configs: [{{targets: ["127.0.0.1:{daemon.port}"]}}]
"""
        )
        words = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with (folder / "prometheus.log").open("wb") as log:
            prometheus = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            query = f"http://127.0.0.1:{port}/api/v1/query?query="
            daemon.await_that(lambda: '"4"]' in curl(query + "count_over_time(up[1m])", "-g").body)
            # kept alive or opened anew, each scrape is answered
            assert '"1"]' in curl(query + "min_over_time(up[1m])", "-g").body
            assert (
                "hardlink_exporter_build_info" in curl(query + "hardlink_exporter_build_info").body
            )
        finally:
            prometheus.terminate()
            prometheus.wait(PATIENCE)
        assert "secret" not in daemon.log.read_text()
