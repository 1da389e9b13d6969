"""Reading small files that others write, without waiting, following or running out of memory."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path


class BrokenFileError(Exception):
    """A file is not what it should be. The text says how."""


def open_regular(path: Path, *, follow: bool = False, dir_fd: int | None = None) -> BufferedReader:
    """Open a regular file to read its bytes; never wait on a fifo.

    A symlink is not followed unless `follow`. `dir_fd` is the open folder that a relative path
    begins at. Raises OSError or BrokenFileError.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    fd = os.open(path, flags, dir_fd=dir_fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise BrokenFileError("is not a regular file")
    return open(fd, "rb")


def read_small(path: Path, most: int, *, follow: bool = False, dir_fd: int | None = None) -> bytes:
    """Read a regular file of at most `most` bytes, as `open_regular` opens it."""
    with open_regular(path, follow=follow, dir_fd=dir_fd) as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise BrokenFileError(f"is longer than {most} bytes")
    return raw
