"""Work for child processes of tests, which find this module through PYTHONPATH."""

from __future__ import annotations

import os
import signal

from exporter.errors import UserError
from exporter.oneshot.job import Teller


def give(value: str, _teller: Teller) -> str:
    return value


def refuse(_teller: Teller) -> str:
    raise UserError("a sentence")


def fail(_teller: Teller) -> str:
    raise ZeroDivisionError("a bug")


def die(_teller: Teller) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def leave(_teller: Teller) -> str:
    os._exit(0)


def open_files(_teller: Teller) -> str:
    """Where our standard streams lead, and whether we have a terminal."""
    leads = {os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)}
    return f"{sorted(leads)} {os.getsid(0) == os.getpid()} {os.getcwd()}"


def wait(_teller: Teller) -> str:
    signal.pause()
    return "never"
