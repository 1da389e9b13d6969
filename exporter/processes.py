"""Child processes of this program: how one is started, and what it does first."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

_LOWEST: Final = 19

_FIRST_TO_GO: Final = "1000"
"""proc(5), oom_score_adj: where memory runs out, this process is ended before any other."""

_IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30, "ppc64le": 273, "s390x": 282}
"""Number of the system call, by machine (arch/*/entry/syscalls, include/uapi/asm-generic/unistd.h)."""

_WHO_PROCESS: Final = 1  # include/uapi/linux/ioprio.h: IOPRIO_WHO_PROCESS
_CLASS_IDLE: Final = 3 << 13  # include/uapi/linux/ioprio.h: IOPRIO_CLASS_IDLE
_PARENT_DEATH: Final = 1  # include/uapi/linux/prctl.h: PR_SET_PDEATHSIG


def start(
    module: str, *descriptors: int, detached: bool = False
) -> tuple[subprocess.Popen[bytes], Connection[Any, Any]]:
    """Start a module in a fresh interpreter, and return it with our end of a pipe to it.

    The module's arguments are our process id, its end of the pipe, and the further `descriptors`, which
    it inherits.
    A `detached` process holds nothing that a reader of our output or a terminal waits for: it may
    outlive us where it hangs. `-P`: a folder `exporter` in the current directory is not ours.
    """
    ours, theirs = multiprocessing.Pipe()
    output = subprocess.DEVNULL if detached else None
    with theirs:
        inherited = (theirs.fileno(), *descriptors)
        words = (str(number) for number in (os.getpid(), *inherited))
        try:
            process = subprocess.Popen(  # noqa: S603  (our own program)
                [sys.executable, "-P", "-m", module, *words],
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=detached,
            )
        except BaseException:
            ours.close()
            raise
    return process, ours


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process when the thread that started it ends, or end now if it has."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def be_a_good_neighbour() -> None:
    """Take the lowest priority of CPU, I/O and memory."""
    os.nice(_LOWEST)
    with suppress(OSError):  # no /proc
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, _WHO_PROCESS, 0, _CLASS_IDLE)
