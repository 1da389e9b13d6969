"""The web configuration file, in the format of Prometheus' exporters: text in, one frozen value out.

The format is that of exporter-toolkit's docs/web-configuration.md. What it has and we have not is
refused by name; nothing is silently left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from exporter.yamlfile import UNSUPPORTED, ConfigError, Place, Section, parse_as

SECRETS: Final = frozenset({"key", "basic_auth_users"})
"""Keys whose values are never told."""

DEAREST: Final = 18
"""The highest bcrypt cost we check; each step doubles the time, and 18 takes many seconds."""

_HASH: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_CHEAPEST: Final = 4  # bcrypt's own least cost
_PRINTABLE: Final = re.compile(r"[\t\x20-\x7e]*")


def _unsupported(why: str) -> BeforeValidator:
    def refuse(_value: object) -> object:
        raise PydanticCustomError(UNSUPPORTED, "is not supported: {why}", {"why": why})

    return BeforeValidator(refuse)


def _version(value: object) -> object:
    if value in ("TLS10", "TLS11"):
        raise ValueError(
            "TLS 1.0 and 1.1 are broken and not supported; it should be TLS12 or TLS13"
        )
    return value


def _client_auth(value: object) -> object:
    if value in ("RequireAnyClientCert", "RequireClientCert"):
        raise ValueError(
            "Python's TLS cannot take a certificate without verifying it;"
            " it should be RequireAndVerifyClientCert"
        )
    return value


def _hash(value: str) -> str:
    found = _HASH.fullmatch(value)
    if found is None:
        raise ValueError("it should be a bcrypt hash, as htpasswd -nB makes it")
    if not _CHEAPEST <= int(found[1]) <= DEAREST:
        raise ValueError(f"its bcrypt cost should be {_CHEAPEST} to {DEAREST}")
    return value


def _user(name: str) -> str:
    if not name or ":" in name:
        raise ValueError("a user's name should not be empty or hold a colon")
    return name


def _path(value: str) -> str:
    if not value.isprintable():
        raise ValueError("a path should be one line of printable characters")
    return value


def _header(value: str) -> str:
    if not _PRINTABLE.fullmatch(value):
        raise ValueError("a header should be one line of ASCII")
    return value


Version = Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_version)]
PathText = Annotated[str, AfterValidator(_path)]
HeaderText = Annotated[str, AfterValidator(_header)]
Refused = Any


class Tls(Section):
    """How to speak TLS. Paths are relative to the folder of the web configuration file."""

    cert: str = ""
    cert_file: PathText = ""
    key: str = Field(default="", repr=False)
    key_file: PathText = ""
    client_ca: str = ""
    client_ca_file: PathText = ""
    client_auth_type: Annotated[
        Literal[
            "",
            "NoClientCert",
            "RequestClientCert",
            "VerifyClientCertIfGiven",
            "RequireAndVerifyClientCert",
        ],
        BeforeValidator(_client_auth),
    ] = ""
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    prefer_server_cipher_suites: bool = True
    cipher_suites: Annotated[
        Refused,
        _unsupported("ciphers are OpenSSL's with forward secrecy and AEAD, not Go's by name"),
    ] = None
    curve_preferences: Annotated[
        Refused, _unsupported("Python's TLS takes no list of curves; OpenSSL chooses")
    ] = None
    client_allowed_sans: Annotated[
        Refused, _unsupported("give client_ca a CA of its own for those who may scrape")
    ] = None


class Headers(Section):
    """Headers that are put on every answer; an empty one is none."""

    csp: HeaderText = Field(default="", alias="Content-Security-Policy")
    frame: Literal["", "deny", "sameorigin"] = Field(default="", alias="X-Frame-Options")
    content: Literal["", "nosniff"] = Field(default="", alias="X-Content-Type-Options")
    xss: HeaderText = Field(default="", alias="X-XSS-Protection")
    hsts: HeaderText = Field(default="", alias="Strict-Transport-Security")


class Http(Section):
    """How to speak HTTP."""

    http2: bool = True
    headers: Headers | None = None


class WebConfig(Section):
    """The whole file. Users' passwords are bcrypt hashes."""

    tls_server_config: Tls | None = None
    http_server_config: Http | None = None
    basic_auth_users: (
        dict[Annotated[str, AfterValidator(_user)], Annotated[str, AfterValidator(_hash)]] | None
    ) = Field(default=None, repr=False)
    rate_limit: Annotated[
        Refused,
        _unsupported("--web.max-requests and the limit of connections bound the load instead"),
    ] = None

    @property
    def tls(self) -> Tls | None:
        """The TLS section, or None where nothing in it is set."""
        section = self.tls_server_config
        return section if section is not None and section.model_fields_set else None

    @property
    def http(self) -> Http:
        """The HTTP section, with defaults."""
        return self.http_server_config or Http()

    @property
    def users(self) -> dict[str, str]:
        """Names and bcrypt hashes."""
        return self.basic_auth_users or {}

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers for every answer, names in lower case as HTTP/2 wants them."""
        given = (self.http.headers or Headers()).model_dump(by_alias=True)
        return tuple((n.lower().encode(), v.encode()) for n, v in given.items() if v)


def parse_web_config(raw: bytes, name: str) -> tuple[WebConfig, Place]:
    """Understand the text of a web configuration file, and tell the places of its keys.

    Raises ConfigError.
    """
    config, place = parse_as(WebConfig, raw, name, SECRETS)
    if config.tls is not None:
        _check(config.tls, place)
    return config, place


def _check(tls: Tls, place: Place) -> None:
    """See that what TLS needs is there, once."""
    section = "tls_server_config"
    for key, needed in (("cert", True), ("key", True), ("client_ca", False)):
        file = f"{key}_file"
        inline, path = getattr(tls, key), getattr(tls, file)
        if inline and path:
            raise ConfigError(
                f"{place(section, file)}: {section}: it should have {key} or {file}, not both"
            )
        if needed and not inline and not path:
            raise ConfigError(f"{place(section)}: {section}: {key} or {file} is missing")
    if (tls.client_ca or tls.client_ca_file) and tls.client_auth_type in ("", "NoClientCert"):
        raise ConfigError(
            f"{place(section)}: {section}: there is a client_ca, but no client_auth_type that"
            " asks for certificates; it should be RequireAndVerifyClientCert"
        )
    if tls.min_version > tls.max_version:
        raise ConfigError(f"{place(section)}: {section}: min_version is above max_version")


def files_of(tls: Tls, folder: Path) -> dict[str, Path]:
    """The files that the section names, by key."""
    named = {
        "cert_file": tls.cert_file,
        "key_file": tls.key_file,
        "client_ca_file": tls.client_ca_file,
    }
    return {key: folder / path for key, path in named.items() if path}
