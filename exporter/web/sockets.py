"""The sockets to listen on: those of addresses, or those that systemd hands over."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Final

from exporter.errors import UserError
from exporter.logs import logger

_PORTS: Final = 65535

BACKLOG: Final = 1024
"""Connections that may wait to be accepted; the kernel's own limit (somaxconn) may be lower."""

_FIRST: Final = 3
"""The first descriptor that systemd hands over: sd_listen_fds(3), SD_LISTEN_FDS_START."""


class ListenError(UserError):
    """An address cannot be listened on. The text is one sentence with the address."""


def listen(address: str) -> socket.socket:
    """Bind one address: `host:port`, `[ipv6]:port`, or `:port` for all of this host's addresses.

    Raises ListenError.
    """
    host, _, port_text = address.rpartition(":")
    if not port_text.isascii() or not port_text.isdigit() or int(port_text) > _PORTS:
        raise ListenError(f"{address}: it should be host:port, with a port up to 65535")
    host, port = host.removeprefix("[").removesuffix("]"), int(port_text)
    try:
        if host:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        if socket.has_dualstack_ipv6():
            try:
                return socket.create_server(
                    ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
                )
            except OSError as error:
                logger().debug("no IPv6 here", reason=error.strerror)
        return socket.create_server(("", port), backlog=BACKLOG)
    except OSError as error:
        # socket adds the address to the text of errno; a failed look-up has a text of its own
        known = error.errno or 0
        why = os.strerror(known) if known > 0 else error.strerror
        raise ListenError(f"{address}: cannot listen there: {why}") from None


def inherited(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Take over the listening sockets of systemd's socket activation: sd_listen_fds(3).

    The variables are removed, so that no child takes them for its own. Raises ListenError.
    """
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdigit() or int(count) < 1:
        raise ListenError(
            "--web.systemd-socket: systemd has handed over no socket;"
            " it needs a .socket unit of the service's name"
        )
    return [_taken(fd) for fd in range(_FIRST, _FIRST + int(count))]


def _taken(fd: int) -> socket.socket:
    try:
        os.set_inheritable(fd, False)
        taken = socket.socket(fileno=fd)
        listening = taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ListenError(
            f"--web.systemd-socket: descriptor {fd} is no socket: {error.strerror}"
        ) from None
    if taken.type != socket.SOCK_STREAM or not listening:
        raise ListenError(
            f"--web.systemd-socket: descriptor {fd} should be a listening stream socket"
            " (ListenStream=, Accept=no)"
        )
    return taken


def shown(listening: socket.socket) -> str:
    """Write the address of a socket as it is given to `listen`."""
    name = listening.getsockname()
    if not isinstance(name, tuple):
        return f"unix:{name!s}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
