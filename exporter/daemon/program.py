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
from typing import Final

from exporter.config import Config
from exporter.daemon.monitor import Monitor
from exporter.daemon.notify import UNREADY_SECONDS, Notifier
from exporter.daemon.search import Search
from exporter.logs import logger
from exporter.telling.status_line import status_line
from exporter.telling.view import Loaded, View
from exporter.text import path_text
from exporter.web.app import App
from exporter.web.rotation import WebSettings
from exporter.web.server import Server
from exporter.web.status import Status
from exporter.yamlfile import ConfigError

MOST_REQUESTS: Final = 40
"""Scrapes at once where nothing else is said: the default of Prometheus' own exporters."""


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
        self._search = Search(rootfs)
        self._web = WebSettings()

    def status(self) -> Status:
        """What the pages show."""
        config = self._config
        waiting = self._monitor.waiting  # before the reports: a root may answer in between
        view = View(
            self._monitor.reports,
            self._version,
            config.metrics.images,
            self._both_loaded(),
            self._monitor.watches,
            waiting,
        )
        named, rootfs = tuple(self._named), path_text(self._rootfs)
        return Status(view, config, self._monitor.ready, named, rootfs)

    def _both_loaded(self) -> Loaded:
        """How the newest readings went, of the configuration and of the web configuration."""
        ours, web = self._loaded, self._web
        return Loaded(ours.successful and web.successful, max(ours.at, web.read_at))

    def reload(self) -> None:
        """Read the configuration again; a bad one is refused and the old one kept."""
        self._notifier.reloading()
        self._read_again()
        self._notifier.serving(self._status_line())

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
        find = partial(self._search.roots, self._named or config.roots, config.links_limits)
        self._monitor.follow(find, config.scan.interval, config.scan.reconcile)

    async def run(
        self,
        sockets: list[socket.socket],
        metrics_path: str,
        web: WebSettings | None = None,
        most_requests: int = MOST_REQUESTS,
    ) -> None:
        """Run until a signal says to stop. `web` is the web configuration, if there is one."""
        self._web = web or self._web
        server = Server(
            App(self.status, metrics_path).answer, self._web, metrics_path, most_requests
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, stop.set)

        def reload() -> None:
            self.reload()
            self._web.ask()

        loop.add_signal_handler(signal.SIGHUP, reload)
        self._follow()
        telling = asyncio.create_task(self._tell(stop))
        try:
            await server.run(sockets, stop)
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
            self._notifier.serving(self._status_line())
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        self._notifier.stopping()

    def _status_line(self) -> str:
        status = self.status()
        return status_line(status.assessments(time.time()), status.view.loaded, ready=status.ready)
