"""Where a command's answer goes: stdout, or a file that appears whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

from exporter.errors import UserError

_MODE: Final = 0o644


class OutputError(UserError, OSError):
    """The answer cannot be written."""


class _Stdout(io.FileIO):
    """Descriptor 1. What keeps it from being written is one sentence, but for a reader who has gone."""

    def write(self, raw: bytes, /) -> int:  # type: ignore[override]
        """Write as much as the kernel takes."""
        try:
            return super().write(raw)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"stdout cannot be written: {error.strerror}") from None


def guard_streams() -> None:
    """See that no file of ours becomes stdin, stdout or stderr, and that a full stdout is told.

    A descriptor that is closed when we start would be the next one to be given out.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    old = sys.stdout
    if isinstance(old, io.TextIOWrapper):
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Stdout(1, "wb", closefd=False)),
            encoding=old.encoding,
            errors="backslashreplace",
            line_buffering=old.line_buffering,
            write_through=old.write_through,
        )


def write_stdout(text: str) -> None:
    """Write an answer to stdout, in UTF-8."""
    if sys.stdout is None:
        raise OutputError("stdout is closed")
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.flush()


def write_file(text: str, path: Path) -> None:
    """Write an answer to a file, which is replaced at once; a symlink stays one."""
    target = writable(path)
    try:
        fd, temporary = tempfile.mkstemp(dir=target.parent, prefix=".hardlink-exporter.")
        try:
            with open(fd, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), _MODE)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise _refused(path, error) from None


def writable(path: Path) -> Path:
    """The place that a path leads to, if a file can be there. Raises OutputError."""
    target = Path(os.path.realpath(path))
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if error.errno == errno.ENOENT and target.parent.is_dir():
            return target
        raise _refused(path, error) from None
    if not stat.S_ISREG(mode):
        raise OutputError(f"{path}: is there and is not a regular file")
    return target


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {error.strerror}")
