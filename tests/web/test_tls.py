"""TLS as an operator sees it: curl and openssl as clients of the real daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from attacks import Target, statuses_by_http2
from needs import PATIENCE
from serving import Served, served
from webclients import MUTUAL, TLS, Papers, Said, curl, hashed, openssl

from exporter.web.answer import PLAIN, Answer
from exporter.web.rotation import WebSettings
from exporter.web.server import Server
from exporter.web.sockets import listen

REFUSED = "hardlink_exporter_config_last_reload_successful 0.0"


@contextmanager
def daemon_of(papers: Papers, text: str, *words: str) -> Iterator[Served]:
    path = papers.config(text)
    with served(papers.folder, f"--web.config.file={path}", *words, "/nonexistent") as daemon:
        yield daemon


def ask(daemon: Served, papers: Papers, *words: str, path: str = "/-/healthy") -> Said:
    ca = papers.folder / "ca.pem"
    return curl(f"https://127.0.0.1:{daemon.port}{path}", "--cacert", str(ca), *words)


def trusting(papers: Papers, daemon: Served) -> Target:
    return Target(daemon.port, (papers.folder / "ca.pem").read_text())


def test_tls_serves_by_http2_where_the_client_wants_it(papers: Papers) -> None:
    with daemon_of(papers, TLS) as daemon:
        assert (ask(daemon, papers, "--http2").http, ask(daemon, papers, "--http1.1").http) == (
            "2",
            "1.1",
        )
        scraped = ask(daemon, papers, "--http2", path="/metrics")
        assert scraped.status == 200
        assert "hardlink_exporter_build_info" in scraped.body
        plain = curl(f"http://127.0.0.1:{daemon.port}/metrics")
        assert (plain.status, plain.body) == (0, "")


def test_http2_can_be_switched_off_altogether(papers: Papers) -> None:
    with daemon_of(papers, TLS + "http_server_config: {http2: false}\n") as daemon:
        assert ask(daemon, papers, "--http2").http == "1.1"
        assert statuses_by_http2(trusting(papers, daemon), "/metrics", alpn=()) == [505]
        assert "ALPN protocol: http/1.1" in openssl(daemon.port, "-alpn", "h2,http/1.1")


def test_plain_text_speaks_no_http2(tmp_path: Path) -> None:
    with served(tmp_path, "/nonexistent") as daemon:
        url = f"http://127.0.0.1:{daemon.port}/metrics"
        assert curl(url, "--http2-prior-knowledge").status == 505
        assert "hardlink_" not in curl(url, "--http2").body


@pytest.mark.parametrize(
    ("lowest", "highest", "spoken"),
    [("TLS12", "TLS13", {"1.2", "1.3"}), ("TLS13", "TLS13", {"1.3"}), ("TLS12", "TLS12", {"1.2"})],
)
def test_only_the_versions_of_the_configuration_are_spoken(
    papers: Papers, lowest: str, highest: str, spoken: set[str]
) -> None:
    versions = f"  min_version: {lowest}\n  max_version: {highest}\n"
    with daemon_of(papers, TLS + versions) as daemon:
        said = {v: openssl(daemon.port, f"-tls{v.replace('.', '_')}") for v in ("1.2", "1.3")}
        assert {v for v, text in said.items() if f"New, TLSv{v}, Cipher is" in text} == spoken
        old = openssl(daemon.port, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        assert "Cipher is (NONE)" in old


def test_a_cipher_without_forward_secrecy_is_refused(papers: Papers) -> None:
    with daemon_of(papers, TLS) as daemon:
        assert "Cipher is (NONE)" in openssl(daemon.port, "-tls1_2", "-cipher", "AES128-GCM-SHA256")
        good = openssl(daemon.port, "-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305:ECDHE")
        assert "Cipher is ECDHE" in good


@pytest.mark.parametrize(
    ("kind", "without", "ours", "foreign"),
    [
        ("NoClientCert", True, True, True),
        ("RequestClientCert", True, True, True),
        ("VerifyClientCertIfGiven", True, True, False),
        ("RequireAndVerifyClientCert", False, True, False),
    ],
)
def test_client_certificates_are_asked_for_as_configured(
    papers: Papers, kind: str, without: bool, ours: bool, foreign: bool
) -> None:
    mine, other = papers.client("mine"), papers.client("other", trustme.CA())
    text = TLS + f"  client_auth_type: {kind}\n"
    text += "" if kind == "NoClientCert" else "  client_ca_file: ca.pem\n"
    with daemon_of(papers, text) as daemon:
        got = [
            ask(daemon, papers, *words).status == 200
            for words in ((), ("--cert", str(mine)), ("--cert", str(other)))
        ]
        assert got == [without, ours, foreign]
        said = "RequestClientCert verifies no certificate" in daemon.log.read_text()
        assert said == (kind == "RequestClientCert")


def test_certificates_rotate_without_a_restart(papers: Papers) -> None:
    fresh = trustme.CA()
    fresh.cert_pem.write_to_path(papers.folder / "fresh.pem")
    with daemon_of(papers, TLS) as daemon:
        assert ask(daemon, papers).status == 200
        papers.write(fresh)

        def trusted_by_the_new() -> bool:
            ca = str(papers.folder / "fresh.pem")
            return curl(f"https://127.0.0.1:{daemon.port}/-/healthy", "--cacert", ca).status == 200

        daemon.await_that(trusted_by_the_new)
        assert ask(daemon, papers).status == 0
        assert "the web configuration was read again" in daemon.log.read_text()


def test_certificates_rotate_through_a_symlink_as_kubernetes_swaps_secrets(papers: Papers) -> None:
    fresh = trustme.CA()
    folder = papers.folder
    for name, ca in (("v1", papers.ca), ("v2", fresh)):
        papers.write(ca)
        (folder / name).mkdir()
        for file in ("server.crt", "server.key"):
            (folder / file).rename(folder / name / file)
    (folder / "data").symlink_to("v1")
    text = TLS.replace("server.", "data/server.")
    fresh.cert_pem.write_to_path(folder / "fresh.pem")
    with daemon_of(papers, text) as daemon:
        assert ask(daemon, papers).status == 200
        (folder / "next").symlink_to("v2")
        (folder / "next").rename(folder / "data")
        url = f"https://127.0.0.1:{daemon.port}/-/healthy"
        daemon.await_that(lambda: curl(url, "--cacert", str(folder / "fresh.pem")).status == 200)


def test_a_new_client_ca_shuts_out_connections_made_under_the_old_one(papers: Papers) -> None:
    mine = papers.client("mine")
    with daemon_of(papers, MUTUAL) as daemon:
        assert ask(daemon, papers, "--cert", str(mine)).status == 200
        other = trustme.CA()
        other.cert_pem.write_to_path(papers.folder / "draft.pem")
        server_ca = (papers.folder / "ca.pem").read_bytes()
        (papers.folder / "server_ca.pem").write_bytes(server_ca)
        (papers.folder / "draft.pem").rename(papers.folder / "ca.pem")
        url = f"https://127.0.0.1:{daemon.port}/-/healthy"
        trust = ("--cacert", str(papers.folder / "server_ca.pem"))
        theirs = papers.client("theirs", other)
        daemon.await_that(lambda: curl(url, *trust, "--cert", str(theirs)).status == 200)
        assert curl(url, *trust, "--cert", str(mine)).status == 0


def test_a_half_written_rotation_is_refused_once_and_the_old_one_stays(papers: Papers) -> None:
    with daemon_of(papers, TLS) as daemon:
        key = (papers.folder / "server.key").read_bytes()
        (papers.folder / "server.key").write_bytes(key[:100])
        daemon.await_that(lambda: REFUSED in ask(daemon, papers, path="/metrics").body)
        os.utime(papers.folder / "server.key")
        daemon.signal(signal.SIGHUP)
        assert ask(daemon, papers).status == 200
        (papers.folder / "server.key").write_bytes(key)
        daemon.await_that(lambda: REFUSED not in ask(daemon, papers, path="/metrics").body)
        log = daemon.log.read_text()
        assert log.count("the web configuration is refused, the old one stays") == 1
        assert "server.key holds no private key that can be used" in log


@pytest.mark.parametrize(
    ("before", "after", "refused", "status"),
    [
        (TLS, "", "TLS cannot be switched off", 200),
        (
            f"{TLS}basic_auth_users: {{a: {hashed('b')}}}\n",
            TLS + "basic_auth_users: {}\n",
            "authentication cannot be switched off",
            401,
        ),
        (MUTUAL, TLS, "verification of clients' certificates cannot be lowered", 0),
        (
            MUTUAL,
            MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"),
            "verification of clients' certificates cannot be lowered",
            0,
        ),
        (MUTUAL, MUTUAL.partition("  client_ca_file")[0], "clients' CA cannot be left out", 0),
    ],
)
def test_a_file_that_is_empty_or_ends_early_for_a_moment_opens_nothing(
    papers: Papers, before: str, after: str, refused: str, status: int
) -> None:
    """To a client without a password or certificate, whose `status` stays."""
    with daemon_of(papers, before) as daemon:
        papers.config(after)
        words = f"{refused} without a restart"
        daemon.await_that(lambda: words in daemon.log.read_text())
        assert curl(f"http://127.0.0.1:{daemon.port}/metrics").status == 0
        assert ask(daemon, papers, path="/metrics").status == status


def test_a_disk_that_hangs_does_not_hold_up_the_end(
    papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = WebSettings(papers.config(TLS))
    looking, mended, seen = threading.Event(), threading.Event(), list[Path]()

    def hanging(path: Path) -> os.stat_result:
        looking.set()
        mended.wait(PATIENCE)
        seen.append(path)
        return os.stat(path)

    async def story() -> None:
        following = asyncio.create_task(settings.follow(lambda: None))
        await asyncio.to_thread(looking.wait, PATIENCE)
        following.cancel()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", hanging)
        asyncio.run(story())
        assert not seen
    mended.set()


def test_configured_headers_are_on_every_answer_in_place_of_ours(papers: Papers) -> None:
    text = (
        "http_server_config:\n  headers:\n    Content-Security-Policy: default-src 'self'\n"
        "    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=60\n"
        f"    X-XSS-Protection: ''\nbasic_auth_users: {{a: {hashed('b')}}}\n"
    )
    with daemon_of(papers, text) as daemon:
        url = f"http://127.0.0.1:{daemon.port}"
        for words, path, status in (
            (("-u", "a:b"), "/", 200),
            (("-u", "a:b"), "/nothing", 404),
            ((), "/metrics", 401),
        ):
            said = curl(url + path, *words)
            assert said.status == status
            assert said.headers["content-security-policy"] == "default-src 'self'"
            assert said.headers["x-frame-options"] == "deny"
            assert said.headers["strict-transport-security"] == "max-age=60"
            assert "x-xss-protection" not in said.headers


def test_who_is_dropped_at_the_end_of_the_handshake_leaves_nothing_open(
    papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right then nobody has heard of its transport yet, and the next client gets its descriptor."""
    settings = WebSettings(papers.config(TLS))
    made, spoiled = asyncio.StreamReaderProtocol.connection_made, list[asyncio.BaseTransport]()

    def dropped(self: asyncio.StreamReaderProtocol, transport: asyncio.BaseTransport) -> None:
        made(self, transport)
        if not spoiled:
            spoiled.append(transport)
            for task in asyncio.all_tasks():
                if "_serve" in getattr(task.get_coro(), "__qualname__", ""):
                    task.cancel()

    monkeypatch.setattr(asyncio.StreamReaderProtocol, "connection_made", dropped)

    async def story() -> list[int]:
        listening, stop = listen("127.0.0.1:0"), asyncio.Event()
        server = Server(lambda _: Answer(200, PLAIN, b"ok"), settings, "/metrics", 40)
        running = asyncio.create_task(server.run([listening], stop))
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        ca = str(papers.folder / "ca.pem")
        got = [(await asyncio.to_thread(curl, url, "--cacert", ca)).status for _ in range(3)]
        assert spoiled[0].is_closing()
        stop.set()
        await running
        return got

    assert asyncio.run(story()) == [0, 200, 200]
