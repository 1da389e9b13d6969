"""The long-running program: watches roots, serves pages, and obeys three signals.

SIGTERM and SIGINT end it within a second; SIGHUP reads the configuration again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from exporter.config import Config, ConfigError
from exporter.daemon.monitor import Monitor
from exporter.daemon.notify import UNREADY_SECONDS, Notifier
from exporter.disk.roots import roots_of
from exporter.logs import logger
from exporter.telling.standing import standing
from exporter.telling.view import Loaded, View
from exporter.web.app import App, Status
from exporter.web.server import run_server


class Daemon:
    """The program's state: the configuration in force and the monitor.

    `load` reads the configuration; it raises ConfigError, and then the old one stays.
    """

    def __init__(
        self, load: Callable[[], Config], named: Sequence[str], rootfs: Path, version: str
    ) -> None:
        self._load = load
        self._named = named
        self._rootfs = rootfs
        self._version = version
        self._notifier = Notifier.taken_from(os.environ)
        self._config = load()
        self._loaded = Loaded(successful=True, at=time.time())
        self._monitor = Monitor(rootfs)

    def status(self) -> Status:
        """Give what the pages show."""
        config = self._config
        view = View(
            self._monitor.reports,
            self._version,
            config.metrics.images,
            self._loaded,
            self._monitor.watches,
        )
        return Status(view, config.thresholds, self._monitor.ready)

    def reload(self) -> None:
        """Read the configuration again; a bad one is refused and the old one kept."""
        self._notifier.reloading()
        self._read_again()
        self._notifier.serving(self._standing())

    def _read_again(self) -> None:
        try:
            self._config = self._load()
        except ConfigError as error:
            self._loaded = Loaded(successful=False, at=self._loaded.at)
            logger().error("the configuration is refused, the old one stays", reason=str(error))
            return
        self._loaded = Loaded(successful=True, at=time.time())
        logger().info("the configuration was read again")
        self._follow()

    def _follow(self) -> None:
        config = self._config
        find = partial(roots_of, self._named or config.roots, self._rootfs, config.links_limits)
        self._monitor.follow(find, config.scan.interval)

    async def run(self, sockets: list[socket.socket], metrics_path: str) -> None:
        """Run until a signal says to stop."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        self._follow()
        telling = asyncio.create_task(self._tell(stop))
        try:
            await run_server(App(self.status, metrics_path), sockets, stop)
        finally:
            telling.cancel()
            self._monitor.stop()
        logger().info("stopped")

    async def _tell(self, stop: asyncio.Event) -> None:
        """Give systemd its signs of life: from the loop that answers requests, and from nowhere else.

        The daemon is ready once its sockets are open, not when each root has its first answer:
        a root on a dead mount never has one, and /-/ready is there to tell.
        """
        while not stop.is_set():
            pause = self._notifier.pause
            if not self._monitor.ready:
                pause = min(pause, UNREADY_SECONDS)
            self._notifier.serving(self._standing())
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        self._notifier.stopping()

    def _standing(self) -> str:
        status = self.status()
        return standing(status.view, ready=status.ready)
