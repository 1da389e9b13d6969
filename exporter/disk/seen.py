"""Where this process sees what people name by the host's own paths.

Apart from the search for roots, whose modules a worker process need not load.
"""

from __future__ import annotations

import os
from pathlib import Path

from exporter.disk.host import place_of
from exporter.model import Root
from exporter.text import normal_path, path_text


def seen_path(path: str, rootfs: Path) -> Path:
    """The place where this process sees the host's `path`.

    Below another `/` a symlink must be followed by hand: the host's /var/lib/docker is often
    one to an absolute path, which the kernel would look up in our own `/`.
    """
    if rootfs == Path("/"):
        return Path(path)
    try:
        return place_of(path, rootfs)
    except OSError:  # a loop: whoever opens it will tell
        return rootfs / path.lstrip("/")


def limit_set_for(root: Root, seen: Path, rootfs: Path) -> int | None:
    """Find the limit set by hand for a root, by its path or by that of `seen`, where its symlinks lead."""
    if root.path in root.links_limits:
        return root.links_limits[root.path]
    below = os.path.relpath(os.path.realpath(seen), os.path.realpath(rootfs))
    return root.links_limits.get(path_text(normal_path(f"/{below}")))
