"""Reading small files that others write, without waiting, following or running out of memory."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class BrokenFileError(Exception):
    """A file is not what it should be. The text says how."""


def read_small(path: Path, most: int, *, follow: bool = False) -> bytes:
    """Read a regular file of at most `most` bytes; never wait on a fifo.

    A symlink is not followed unless `follow`. Raises OSError or BrokenFileError.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    with open(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BrokenFileError("is not a regular file")
        raw = file.read(most + 1)
    if len(raw) > most:
        raise BrokenFileError(f"is longer than {most} bytes")
    return raw
