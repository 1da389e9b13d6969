"""A terminal for a program under test."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence


def on_terminal(
    words: Sequence[str], stream: str, environment: Mapping[str, str]
) -> tuple[str, bytes]:
    """Run a program with `stream`, stdout or stderr, on a terminal.

    Gives what the terminal was sent to its end, and what the other stream said. The program succeeds.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        words,
        env={**os.environ, **environment},
        stdout=theirs if stream == "stdout" else subprocess.PIPE,
        stderr=theirs if stream == "stderr" else subprocess.PIPE,
    )
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 1 << 16):
            said += piece
    except OSError:  # EIO: the last who had the terminal open has closed it
        pass
    os.close(ours)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    return said.decode(), out or err or b""
