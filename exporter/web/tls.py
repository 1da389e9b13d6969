"""From certificates and keys as text to what TLS connections are made with."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

Demand = Literal["none", "if given", "always"]
"""When a client's certificate is verified."""

_DEMANDS: Final[dict[Demand, ssl.VerifyMode]] = {
    "none": ssl.CERT_NONE,
    "if given": ssl.CERT_OPTIONAL,
    "always": ssl.CERT_REQUIRED,
}

STRICTER: Final = tuple(_DEMANDS)
"""All demands, each stricter than the one before."""

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Ciphers of TLS 1.2: forward secrecy and AEAD only, which HTTP/2 demands too (RFC 9113, 9.2.2)."""


class MaterialError(Exception):
    """A certificate or key is none. `key` names it: cert, key or client_ca; the text says why."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


@dataclass(frozen=True, slots=True)
class Material:
    """All that a TLS context is made of. Certificates and keys are PEM."""

    cert: bytes
    key: bytes
    client_ca: bytes | None
    demand: Demand
    min_version: str
    max_version: str
    prefer_server: bool
    http2: bool

    def __repr__(self) -> str:
        return f"Material({self.demand}, {self.min_version}, {self.max_version})"


def context_of(material: Material) -> ssl.SSLContext:
    """Make the context for new connections. Raises MaterialError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[material.min_version]
    context.maximum_version = _VERSIONS[material.max_version]
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if material.prefer_server:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["h2", "http/1.1"] if material.http2 else ["http/1.1"])
    _load_certificate(context, material)
    context.verify_mode = _DEMANDS[material.demand]
    _load_authorities(context, material)
    return context


def _load_certificate(context: ssl.SSLContext, material: Material) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=_ascii(material.cert))
    except (ssl.SSLError, ValueError):
        raise MaterialError("cert", "holds no certificate that can be used") from None
    with _as_file(material.cert) as cert, _as_file(material.key) as key:
        try:
            # Without a password of ours OpenSSL would ask the terminal for one.
            context.load_cert_chain(cert, key, password=lambda: "")
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise MaterialError("key", "does not belong to the certificate") from None
            if b"ENCRYPTED" in material.key:
                raise MaterialError("key", "is encrypted, which is not supported") from None
            if error.reason in ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
                raise MaterialError("cert", f"is too weak ({error.reason})") from None
            why = f"holds no private key that can be used ({error.reason or 'not PEM'})"
            raise MaterialError("key", why) from None


def _load_authorities(context: ssl.SSLContext, material: Material) -> None:
    if material.client_ca is None:
        if material.demand != "none":
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    try:
        context.load_verify_locations(cadata=_ascii(material.client_ca))
    except (ssl.SSLError, ValueError):
        raise MaterialError("client_ca", "holds no certificate that can be used") from None


def _ascii(pem: bytes) -> str:
    """A PEM text; what stands beside the certificates may be in any language."""
    return pem.decode("ascii", "replace").replace("\ufffd", "?")


@contextmanager
def _as_file(text: bytes) -> Iterator[str]:
    """Lend a text to a library that takes only paths, without it ever being on a disk."""
    fd = os.memfd_create("pem")
    try:
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(text)
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)
