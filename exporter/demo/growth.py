"""The demo: a small overlay root with real hard links that grows until it is exhausted."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter.demo.planted import PlantedRoot
from exporter.thinking.headroom import left_by_links

NAMES: Final = 20
LINKS_LIMIT: Final = 620
"""The demo's own links limit, so small that it is reached in half a minute (ext4 has 65,000)."""


def _base(tree: Path) -> None:
    """A system much like busybox: one program under many names."""
    (tree / "bin").mkdir()
    (tree / "bin/busybox").write_text("one program\n")
    for i in range(1, NAMES):
        os.link(tree / "bin/busybox", tree / f"bin/applet{i:02}")
    (tree / "etc").mkdir()
    (tree / "etc/hostname").write_text("demo\n")


class Growth:
    """A root to which a layer is added, again and again, until not one more fits.

    `say` is told what happens, a line at a time.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._say = say
        self._root = PlantedRoot(path)
        self._shop = self._root.layer((), _base)
        self._last = self._root.image(self._shop, "base:1.0")
        tools = self._root.layer(self._shop, lambda t: _write(t / "tools", "tools\n"))
        self._root.image(tools, "tools:1.0", parent=self._last)
        self._layers = 2
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def left(self) -> int:
        """How many more layers fit."""
        return left_by_links(LINKS_LIMIT, self._layers * NAMES, NAMES)

    def add_layer(self) -> None:
        """Build one more step of the image shop:latest."""
        number = self._layers - 1
        self._shop = self._root.layer(
            self._shop, lambda t: _write(t / f"step{number}", f"step {number}\n")
        )
        self._last = self._root.image(self._shop, "shop:latest", parent=self._last)
        self._layers += 1

    def start(self, every: float) -> None:
        """Add a layer every so many seconds, in a thread of its own."""
        self._thread = threading.Thread(target=self._grow, args=(every,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the growth."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _grow(self, every: float) -> None:
        while not self._stop.wait(every):
            if self.left == 0:
                self._say("exhausted: an engine would now say 'too many links' to every build")
                return
            self.add_layer()
            self._say(f"built a layer of shop:latest; layers left: {self.left}")


def _write(path: Path, text: str) -> None:
    path.write_text(text)
