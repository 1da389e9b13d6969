"""The web configuration in force: read at the start, and again whenever a file of it changes.

A change that cannot be used is refused: what was in force stays, the log says so once, and so does
`hardlink_exporter_config_last_reload_successful`. A file that is being written may for a moment
be empty, or end early, and yet be valid; therefore no change can switch off TLS, authentication or
the verification of clients' certificates. Only a restart can.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporter.logs import logger
from exporter.web.aside import aside
from exporter.web.config import Tls, WebConfig, files_of, parse_web_config
from exporter.web.tls import STRICTER, Demand, Material, MaterialError, context_of
from exporter.yamlfile import ConfigError, Place, read_bytes

_EVERY: Final = 1.0
"""Seconds from one look at the files to the next."""

_DEMANDS: Final[dict[str, Demand]] = {
    "VerifyClientCertIfGiven": "if given",
    "RequireAndVerifyClientCert": "always",
}
"""All others ask for nothing: a certificate that nobody verifies says nothing (RequestClientCert)."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What new connections and requests go by."""

    material: Material | None = None
    context: ssl.SSLContext | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    users: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def words(self) -> str:
        """The same without any secret."""
        if self.material is None:
            return f"no TLS, users: {len(self.users)}"
        m = self.material
        http2 = "HTTP/2" if m.http2 else "no HTTP/2"
        return (
            f"{m.min_version} to {m.max_version}, {http2}, client certificates verified:"
            f" {m.demand}, users: {len(self.users)}"
        )


Stamp = tuple[tuple[int, ...] | None, ...]


class WebSettings:
    """The web configuration of a file, or that of no file. Raises ConfigError when made."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._watched: tuple[Path, ...] = (path,) if path else ()
        self.in_force = InForce()
        self.successful = True
        self.read_at = time.time()
        self._asked = asyncio.Event()
        self._said = ""
        self._stamp = self._look()
        if path is not None:
            self.in_force = self._read(path)

    def reload(self) -> bool:
        """Read all files again; tell whether something else is in force now."""
        if self._path is None:
            return False
        # Stamped before it is read: what changes meanwhile is read once more.
        self._stamp = self._look()
        try:
            new = self._read(self._path)
            _refuse_less(self.in_force, new, self._path)
        except ConfigError as error:
            self.successful = False
            if str(error) != self._said:
                self._said = str(error)
                logger().error(
                    "the web configuration is refused, the old one stays", reason=self._said
                )
            return False
        self.successful, self.read_at, self._said = True, time.time(), ""
        if (new.material, new.headers, new.users) == _compared(self.in_force):
            return False
        self.in_force = new
        logger().info("the web configuration was read again", now=new.words)
        return True

    def ask(self) -> None:
        """Let `follow` read the files now, whether they look changed or not."""
        self._asked.set()

    async def follow(self, changed: Callable[[], None]) -> None:
        """Look at the files again and again, and say when something else is in force."""
        while self._path is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), _EVERY)
            # A disk that hangs must keep neither a scrape waiting nor the end.
            same = await aside(self._look) == self._stamp
            if same and not self._asked.is_set():
                continue
            self._asked.clear()
            if await aside(self.reload):
                changed()

    def _look(self) -> Stamp:
        return tuple(_stamp_of(path) for path in self._watched)

    def _read(self, path: Path) -> InForce:
        config, place = parse_web_config(read_bytes(path), str(path))
        if config.tls and config.tls.client_auth_type == "RequestClientCert":
            logger().warning(
                "RequestClientCert verifies no certificate, so none is asked for;"
                " RequireAndVerifyClientCert does"
            )
        files = files_of(config.tls, path.parent) if config.tls else {}
        self._watched = (path, *files.values())
        material = _material(config, config.tls, files, place) if config.tls else None
        return InForce(
            material, _context(material, files, place), config.headers, dict(config.users)
        )


def _stamp_of(path: Path) -> tuple[int, ...] | None:
    """One state of a file from another, through symlinks, as Kubernetes swaps them."""
    try:
        s = path.stat()
    except OSError:
        return None
    return (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)


def _material(config: WebConfig, tls: Tls, files: dict[str, Path], place: Place) -> Material:
    def text(key: str, inline: str) -> bytes:
        file = f"{key}_file"
        if file not in files:
            return inline.encode()
        try:
            return read_bytes(files[file])
        except ConfigError as error:
            where = f"{place('tls_server_config', file)}: tls_server_config.{file}"
            raise ConfigError(f"{where}: {error}") from None

    has_authorities = bool(tls.client_ca or tls.client_ca_file)
    return Material(
        cert=text("cert", tls.cert),
        key=text("key", tls.key),
        client_ca=text("client_ca", tls.client_ca) if has_authorities else None,
        demand=_DEMANDS.get(tls.client_auth_type, "none"),
        min_version=tls.min_version,
        max_version=tls.max_version,
        prefer_server=tls.prefer_server_cipher_suites,
        http2=config.http.http2,
    )


def _context(
    material: Material | None, files: dict[str, Path], place: Place
) -> ssl.SSLContext | None:
    if material is None:
        return None
    try:
        return context_of(material)
    except MaterialError as error:
        file = f"{error.key}_file"
        key = file if file in files else error.key
        named = f"{files[file]} " if file in files else "it "
        where = f"{place('tls_server_config', key)}: tls_server_config.{key}"
        raise ConfigError(f"{where}: {named}{error}") from None


def _compared(in_force: InForce) -> tuple[object, ...]:
    return (in_force.material, in_force.headers, in_force.users)


def _refuse_less(old: InForce, new: InForce, path: Path) -> None:
    was, now = old.material, new.material
    if was is not None and now is None:
        raise ConfigError(f"{path}: TLS cannot be switched off without a restart")
    if was is not None and now is not None:
        if STRICTER.index(now.demand) < STRICTER.index(was.demand):
            raise ConfigError(
                f"{path}: verification of clients' certificates cannot be lowered without a restart"
            )
        if was.client_ca is not None and now.client_ca is None:
            raise ConfigError(f"{path}: clients' CA cannot be left out without a restart")
    if old.users and not new.users:
        raise ConfigError(f"{path}: authentication cannot be switched off without a restart")
