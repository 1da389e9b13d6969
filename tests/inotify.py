"""Inotify's limits, which are settings of the whole machine: for tests that are marked `alone`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from needs import need_root


@contextmanager
def setting(name: str, value: str) -> Iterator[Path]:
    """Set one of inotify's limits until the block ends."""
    need_root()
    limit = Path("/proc/sys/fs/inotify") / name
    before = limit.read_text()
    limit.write_text(value)
    try:
        yield limit
    finally:
        limit.write_text(before)
