"""Good and bad web configurations, under the names that exporter-toolkit gives its test data.

The contents are our own. Where the toolkit calls a file good and we do not support what it asks
for, the table says with what words it is refused.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trustme
from looking import Run
from webclients import MUTUAL, TLS, Papers, hashed, papers_in

from exporter.web.rotation import WebSettings
from exporter.yamlfile import ConfigError

USERS = f"basic_auth_users:\n  alice: {hashed('a', '2y')}\n  bob: {hashed('b')}\n"
CIPHERS = TLS + "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n"
CURVES = TLS + "  curve_preferences: [CurveP521]\n"
SANS = MUTUAL + "  client_allowed_sans: [client.example.org]\n"
ANY = TLS + "  client_auth_type: RequireAnyClientCert\n  client_ca_file: ca.pem\n"
HEADERS = "http_server_config:\n  headers:\n    "

UNKNOWN = "this key is not known"
NO_CIPHERS = r"2:.*cipher_suites: is not supported: ciphers are OpenSSL's"
NO_CURVES = r"curve_preferences: is not supported: Python's TLS takes no list of curves"
NO_SANS = r"client_allowed_sans: is not supported: give client_ca a CA of its own"
NO_ANY = r"client_auth_type: Python's TLS cannot take a certificate without verifying it"
NO_RATE = r"rate_limit: is not supported: --web.max-requests"
NO_CERT = r"web.yml:1:1: tls_server_config: cert or cert_file is missing"
NO_KEY = r"web.yml:1:1: tls_server_config: key or key_file is missing"
GONE = r"cannot be read: No such file or directory"

TABLE: dict[str, tuple[str, str]] = {
    # name: (content, "" if it is good, else what is said of it)
    "web_config_empty.yml": ("", ""),
    "web_config_junk.yml": ("junk", "it should be a mapping"),
    "web_config_junk_key.yml": (TLS.replace("cert_file", "cert_filse"), UNKNOWN),
    "web_config_noAuth.good.yml": (TLS + "  client_auth_type: VerifyClientCertIfGiven\n", ""),
    "web_config_noAuth.good.blocking.yml": (
        TLS + "  client_auth_type: RequireAndVerifyClientCert\n",
        "",
    ),
    "web_config_noAuth.bad.yml": (TLS + "  client_ca_file: ca.pem\n", "but no client_auth_type"),
    "web_config_noAuth_tlsInline.good.yml": ("INLINE", ""),
    "web_config_noAuth_certPath_empty.bad.yml": (
        "tls_server_config:\n  cert_file: ''\n  key_file: server.key\n",
        NO_CERT,
    ),
    "web_config_noAuth_cert_empty.bad.yml": (
        "tls_server_config:\n  cert: ''\n  key_file: server.key\n",
        NO_CERT,
    ),
    "web_config_noAuth_keyPath_empty.bad.yml": (
        "tls_server_config:\n  cert_file: server.crt\n  key_file: ''\n",
        NO_KEY,
    ),
    "web_config_noAuth_key_empty.bad.yml": (
        "tls_server_config:\n  cert_file: server.crt\n  key: ''\n",
        NO_KEY,
    ),
    "web_config_noAuth_certPath_keyPath_empty.bad.yml": (
        "tls_server_config:\n  cert_file: ''\n  key_file: ''\n",
        NO_CERT,
    ),
    "web_config_noAuth_certPath_invalid.bad.yml": (
        TLS.replace(".crt", ".no"),
        f"cert_file.*{GONE}",
    ),
    "web_config_noAuth_keyPath_invalid.bad.yml": (TLS.replace(".key", ".no"), f"key_file.*{GONE}"),
    "web_config_noAuth_certPath_keyPath_invalid.bad.yml": (
        TLS.replace("server.", "none."),
        f"cert_file.*{GONE}",
    ),
    "web_config_noAuth_wrongTLSVersion.bad.yml": (
        TLS + "  min_version: TLS111\n",
        "min_version: it should be 'TLS12' or 'TLS13', not 'TLS111'",
    ),
    "web_config_auth_clientCAs_invalid.bad.yml": (
        MUTUAL.replace("ca.pem", "none.pem"),
        f"client_ca_file.*{GONE}",
    ),
    "web_config_auth_clientCAs_nocerts.bad.yml": (
        MUTUAL.replace("ca.pem", "web.yml"),
        "client_ca_file: .*web.yml holds no certificate that can be used",
    ),
    "web_config_auth_clientCAsText_nocerts.bad.yml": (
        MUTUAL.replace("_file: ca.pem", ": nothing"),
        "client_ca: it holds no certificate that can be used",
    ),
    "web_config_auth_user_list_invalid.bad.yml": (
        "basic_auth_users:\n  john: doe\n",
        r"2:3: basic_auth_users.john: it should be a bcrypt hash, as htpasswd -nB makes it$",
    ),
    "web_config_users.good.yml": (TLS + USERS, ""),
    "web_config_users_noTLS.good.yml": (USERS, ""),
    "web_config_headers.good.yml": (
        HEADERS
        + "Content-Security-Policy: default-src 'self'\n    X-Frame-Options: deny\n"
        + "    X-Content-Type-Options: nosniff\n    X-XSS-Protection: '1'\n"
        + "    Strict-Transport-Security: max-age=31536000\n",
        "",
    ),
    "web_config_headers_content_type_options.bad.yml": (
        HEADERS + "X-Content-Type-Options: sniff\n",
        "X-Content-Type-Options: it should be '' or 'nosniff', not 'sniff'",
    ),
    "web_config_headers_frame_options.bad.yml": (
        HEADERS + "X-Frame-Options: maybe\n",
        "X-Frame-Options: it should be '', 'deny' or 'sameorigin', not 'maybe'",
    ),
    "web_config_headers_extra_header.bad.yml": (HEADERS + "X-Extra: x\n", UNKNOWN),
    "tls_config_noAuth.requireandverifyclientcert.good.yml": (MUTUAL, ""),
    # Good there, refused here.
    "tls_config_noAuth.requireanyclientcert.good.yml": (ANY, NO_ANY),
    "web_config_noAuth_allCiphers.good.yml": (CIPHERS, NO_CIPHERS.replace("2:", "")),
    "web_config_noAuth_someCiphers.good.yml": (CIPHERS, NO_CIPHERS.replace("2:", "")),
    "web_config_noAuth_someCiphers_noOrder.good.yml": (
        CIPHERS + "  prefer_server_cipher_suites: false\n",
        NO_CIPHERS.replace("2:", ""),
    ),
    "web_config_noAuth_noHTTP2.good.yml": (
        CIPHERS + "http_server_config: {http2: false}\n",
        NO_CIPHERS.replace("2:", ""),
    ),
    "web_config_noAuth_allCurves.good.yml": (CURVES, NO_CURVES),
    "web_config_noAuth_someCurves.good.yml": (CURVES, NO_CURVES),
    "web_config_auth_client_san.good.yaml": (SANS, NO_SANS),
    "web_config_rate_limiter_nonblocking.yaml": ("rate_limit: {interval: 0s, burst: 0}\n", NO_RATE),
    "web_config_rate_limiter_one_second.yaml": ("rate_limit: {interval: 1s, burst: 1}\n", NO_RATE),
    # Bad in both.
    "web_config_noAuth_inventedCiphers.bad.yml": (
        TLS + "  cipher_suites: [TLS_INVENTED]\n",
        NO_CIPHERS.replace("2:", ""),
    ),
    "web_config_noAuth_inventedCurves.bad.yml": (TLS + "  curve_preferences: [P1]\n", NO_CURVES),
    "web_config_noAuth_noHTTP2Cipher.bad.yml": (CIPHERS, NO_CIPHERS.replace("2:", "")),
    "web_config_auth_client_san.bad.yaml": (SANS, NO_SANS),
    # Keys that only some versions or forks of the toolkit know.
    "web_config_auth_excluded_paths.good.yml": ("auth_excluded_paths: [/]\n" + USERS, UNKNOWN),
    "web_config_tokens.good.yml": ("bearer_auth_tokens: [x]\n", UNKNOWN),
    "web_config_ip_socket.good.yml": ("ip_socket_config: {dscp: 46}\n", UNKNOWN),
    "web_config_auth_client_common_name.good.yaml": (
        MUTUAL + "  client_cert_allowed_cn: x\n",
        UNKNOWN,
    ),
    "tls_config_noAuth.fingerprint.good.yml": (TLS + "  client_fingerprints: ['92']\n", UNKNOWN),
    # Further ones, of our own.
    "both_cert_and_file": (TLS + "  cert: x\n", "2:.*cert or cert_file, not both"),
    "old_tls": (TLS + "  min_version: TLS10\n", "TLS 1.0 and 1.1 are broken and not supported"),
    "versions_crossed": (
        TLS + "  min_version: TLS13\n  max_version: TLS12\n",
        "min_version is above max_version",
    ),
    "nothing_but_a_version": ("tls_server_config:\n  min_version: TLS13\n", "cert_file is missing"),
    "key_of_another": (TLS.replace("server.key", "other.pem"), "other.pem does not belong to"),
    "key_is_none": (TLS.replace("server.key", "ca.pem"), "ca.pem holds no private key"),
    "cert_is_none": (TLS.replace("server.crt", "server.key"), "server.key holds no certificate"),
    "key_is_encrypted": (TLS.replace("server.key", "locked.key"), "locked.key is encrypted"),
    "path_with_nul": (TLS.replace("server.key", '"a\\0b"'), "key_file: a path should be one line"),
    "empty_sections": ("tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n", ""),
    "too_dear": ("basic_auth_users:\n  x: $2y$19$" + "a" * 53, "cost should be 4 to 18"),
    "dear": ("basic_auth_users:\n  x: $2y$18$" + "a" * 53, ""),
    "user_with_colon": (f"basic_auth_users:\n  'x:y': {hashed('x')}\n", "hold a colon"),
    "header_of_two_lines": (HEADERS + 'X-XSS-Protection: "1\\r\\nX: y"\n', "one line of ASCII"),
    "user_without_value": (
        "basic_auth_users: {x:y}\n",
        r"1:20: basic_auth_users: a user's name should",
    ),
    "key_is_a_list": (
        TLS.replace("key_file: server.key", "key: [x]"),
        r"3:3: tls_server_config.key: it should be a valid string$",
    ),
    "user_twice": (USERS + f"  bob: {hashed('b')}\n", "4:3: bob: is there twice"),
    "request_client_cert": (TLS + "  client_auth_type: RequestClientCert\n", ""),
}


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    papers = papers_in(tmp_path_factory.mktemp("table") / "papers")
    papers.client("other", trustme.CA())
    key = (papers.folder / "server.key").read_text()
    locked = key.replace("\n", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1)
    (papers.folder / "locked.key").write_text(locked)
    return papers


def inline(papers: Papers) -> str:
    """Write certificate and key into the file itself."""
    parts = ["tls_server_config:"]
    for key, file in (("cert", "server.crt"), ("key", "server.key")):
        text = (papers.folder / file).read_text()
        parts += [f"  {key}: |", *(f"    {line}" for line in text.splitlines())]
    return "\n".join(parts) + "\n"


@pytest.mark.parametrize("name", TABLE)
def test_a_web_configuration_is_taken_or_refused_in_one_sentence(name: str, papers: Papers) -> None:
    text, refusal = TABLE[name]
    path = papers.config(inline(papers) if text == "INLINE" else text)
    if not refusal:
        assert (
            WebSettings(path).in_force.material is None or "tls_server_config" in path.read_text()
        )
        return
    with pytest.raises(ConfigError, match=refusal) as caught:
        WebSettings(path)
    said = str(caught.value)
    assert said.startswith(f"{path}:")
    assert re.match(rf"{path}:\d+:\d+: ", said), "it names the line"
    assert "\n" not in said


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{tmp_path}/somefile: cannot be read: No such file"):
        WebSettings(tmp_path / "somefile")


@pytest.mark.parametrize(
    "text",
    [
        "basic_auth_users: {alice: hunter2}\n",
        "basic_auth_users: hunter2\n",
        "hunter2\n",
        "tls_server_config: hunter2\n",
        "basic_auth_users: {alice: *hunter2}\n",
        "basic_auth_users: {alice: !hunter2 x}\n",
        "basic_auth_users: {alice: [hunter2]}\n",
        "basic_auth_users: {alice: !!int hunter2}\n",
        "basic_auth_users: {alice: !!float hunter2}\n",
        "basic_auth_users: {hunter2:x}\n",
        "basic_auth_users: {alice:hunter2}\n",
        "basic_auth_users: {hunter2}\n",
        "basic_auth_users: {'alice:hunter2': x}\n",
        TLS.replace("key_file: server.key", "key: [hunter2]"),
        TLS.replace("key_file: server.key", "key: hunter2"),
        TLS.replace("key_file: server.key", "key: |\n   hunter2\n  - x"),
    ],
)
def test_no_secret_is_told_with_what_is_wrong(text: str, papers: Papers) -> None:
    with pytest.raises(ConfigError) as caught:
        WebSettings(papers.config(text))
    assert "hunter2" not in str(caught.value)


def test_what_is_in_force_is_told_without_secrets(papers: Papers) -> None:
    settings = WebSettings(papers.config(inline(papers) + USERS))
    for told in (repr(settings.in_force), settings.in_force.words, str(settings.in_force)):
        assert "$2" not in told
        assert "PRIVATE" not in told
    assert settings.in_force.words == (
        "TLS12 to TLS13, HTTP/2, client certificates verified: none, users: 2"
    )


@pytest.mark.parametrize("words", [(), ("--config.check",)])
def test_a_wrong_file_ends_the_start_with_exit_2(
    words: tuple[str, ...], papers: Papers, run: Run
) -> None:
    path = papers.config(TLS + USERS.replace("$2y", "$9y"))
    done = run("serve", f"--web.config.file={path}", *words, "/tmp")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"hardlink-exporter: {path}:5:3: basic_auth_users.alice: it should be a bcrypt hash,"
        " as htpasswd -nB makes it\n"
    )


def test_config_check_says_what_is_in_force(papers: Papers, run: Run) -> None:
    done = run("serve", f"--web.config.file={papers.config(MUTUAL + USERS)}", "--config.check")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == (
        "# web: TLS12 to TLS13, HTTP/2, client certificates verified: always, users: 2"
    )
