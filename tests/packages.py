"""An index of Python packages for tests: wheels that are here already, served on loopback."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def index_of(wheels: Iterable[Path], folder: Path) -> Iterator[str]:
    """Serve these wheels as an index does (PEP 503) until the block ends; give its address."""
    for wheel in wheels:
        home = folder / wheel.name.partition("-")[0].lower().replace("_", "-")
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(wheel, home)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
