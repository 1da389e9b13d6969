"""A slow disk: strace holds up each reading of these directories, for real."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from needs import need_program


def slowed(directories: Iterable[Path], seconds: float) -> list[str]:
    """The words that run a program for which each getdents(2) of a directory takes so long."""
    need_program("strace")
    below = [word for directory in directories for word in ("-P", str(directory))]
    delay = f"inject=getdents64:delay_enter={seconds * 1e6:.0f}"
    return [
        "strace",
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-o/dev/null",
        *below,
        "-etrace=getdents64",
        f"-e{delay}",
    ]
