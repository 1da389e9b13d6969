"""The process that does one job: it may hang on a dead mount, and then it hangs alone.

It is started as `python -P -m exporter.oneshot.child PARENT FD [LOCK]`: PARENT is the process id of the
command, FD our end of a pipe, LOCK the descriptor of a locked file. The lock is held until this process is gone, however it ends.

A second thread gives signs of life, but only while the job's thread executes bytecode: it has the
interpreter call a signal handler there (`_thread.interrupt_main`), which happens as soon as a system call has
returned. No signal is sent, so no system call is interrupted. CPU time would be no such sign: a hard NFS
mount wakes the waiting process now and then to send again.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

from exporter.errors import UserError
from exporter.oneshot.job import Beat, Counted, Failed, Found, Further, Job, Message
from exporter.processes import end_with_parent
from exporter.thinking.orders import Identity, Stands

BEAT_SECONDS: Final = 0.5
"""How often the job's thread is asked for a sign."""

_SIGN: Final = signal.SIGUSR1
"""The signal whose handler answers; nobody sends it."""


class _Pipe:
    """Our end of the pipe, for two threads (oneshot.job.Teller). Without a listener we end."""

    def __init__(self, connection: Connection[Message, Job[Any]]) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        with self._lock:
            try:
                self._connection.send(message)
            except OSError:
                os._exit(1)

    def counted(self, done: int, of: int) -> None:
        self.send(Counted(done, of))

    def stands(self, identity: Identity) -> None:
        self.send(Stands(identity))

    def further(self, jobs: Sequence[Job[Any]]) -> None:
        self.send(Further(tuple(jobs)))


def main() -> None:
    """Do one job and say how it went."""
    parent, fd, *locks = (int(word) for word in sys.argv[1:])
    end_with_parent(parent)
    os.chdir("/")
    connection: Connection[Message, Job[Any]] = Connection(fd)
    for lock in locks:
        with suppress(OSError):  # a full disk: the lock holds all the same
            os.truncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
    pipe = _Pipe(connection)
    threading.Thread(target=_Pulse(pipe, locks).run, daemon=True).start()
    try:
        job = connection.recv()  # imports what the job needs
    except (EOFError, OSError):  # nobody is there any more
        return
    pipe.send(_done(job, pipe))


def _done(job: Job[Any], pipe: _Pipe) -> Found | Failed:
    try:
        return Found(job.work(pipe))
    except UserError as error:
        return Failed(error)
    except Exception as error:  # noqa: BLE001  (the one border where a bug is told, not raised)
        what = f"unexpected error: {type(error).__name__}: {error}"
        return Failed(UserError(what), traceback.format_exc())


class _Pulse:
    """Gives a sign of life whenever the main thread has answered; made in the main thread.

    The lock file's time is the sign for other commands that wait for this root.
    """

    def __init__(self, pipe: _Pipe, locks: Sequence[int]) -> None:
        self._pipe = pipe
        self._locks = locks
        self._answered = False
        signal.signal(_SIGN, self._answer)

    def _answer(self, *_: object) -> None:
        self._answered = True

    def run(self) -> None:
        """Ask again and again."""
        while True:
            _thread.interrupt_main(_SIGN)
            time.sleep(BEAT_SECONDS)
            if self._answered:
                self._answered = False
                self._pipe.send(Beat())
                with suppress(OSError):  # that others know of it is no condition for our work
                    for lock in self._locks:
                        os.utime(lock)


if __name__ == "__main__":
    main()
