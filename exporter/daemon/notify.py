"""Telling systemd how the daemon is, as sd_notify(3) describes it.

By hand, because it is one datagram: the libraries for it are old, or need libsystemd.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from typing import Final, Self

from exporter.logs import logger

STATUS_SECONDS: Final = 10.0
"""How often the status line is told anew, where no watchdog wants to hear from us more often."""

UNREADY_SECONDS: Final = 1.0
"""The same, before every root has its first answer: somebody may be looking."""


class Notifier:
    """Tells whoever listens on `address`: a path, or an abstract name that begins with `@`.

    Where it is empty nobody listens, and nothing is told. `pause` is how many seconds may pass
    between two signs of life.
    """

    def __init__(self, address: str, pause: float) -> None:
        self.pause = pause
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        self._failed = False

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> Self:
        """Take what systemd told us out of the environment: no worker shall speak in our name."""
        pause = pause_of(environment)
        address = environment.pop("NOTIFY_SOCKET", "")
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            environment.pop(name, None)
        return cls(address, pause)

    def serving(self, status: str) -> None:
        """Say that we serve, and how things stand, in one line.

        READY=1 is said each time: it ends a reload, and no lost datagram leaves us starting for ever.
        """
        self._tell("READY=1", "WATCHDOG=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that we read the configuration again; `serving` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that we are about to end."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            # Kept open: where no descriptor is left for a new one, we live all the same.
            self._socket = self._socket or socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.sendto("\n".join(lines).encode(), self._address)
            self._failed = False
        except (OSError, ValueError) as error:  # we serve on, whoever hears of it
            if not self._failed:
                logger().warning("systemd cannot be told how we are", reason=str(error))
            self._failed = True


def pause_of(environment: Mapping[str, str]) -> float:
    """The seconds from one sign of life to the next.

    Half of the watchdog's time, as sd_watchdog_enabled(3) advises, if the watchdog is for us.
    """
    microseconds = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if ours and microseconds.isascii() and microseconds.isdigit() and int(microseconds):
        return min(STATUS_SECONDS, int(microseconds) / 2e6)
    return STATUS_SECONDS
