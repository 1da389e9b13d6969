"""One job under way: its process, what it said, and how it ends.

Nothing here waits for a process that may hang: it is killed and left to itself. The limit of a job
that must wait for its lock goes on while it waits, and the holder's signs of life put it off. So a
command takes no longer than its limit without progress, whoever was first.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final, Generic

from exporter.durations import duration
from exporter.errors import UserError
from exporter.logs import logger
from exporter.oneshot.job import Beat, Counted, Failed, Found, Further, Job, Message, T
from exporter.oneshot.locks import Lock, Locks
from exporter.processes import start
from exporter.thinking.orders import Identity, Stands

DYING_SECONDS: Final = 1.0
"""A killed process that is there after this long hangs in the kernel."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of a job: it `found` something, or else `error` says why not.

    `waiting`: nothing is known yet, and it gave no sign of life for a while.
    """

    job: Job[T]
    found: T | None = None
    error: UserError | None = None
    waiting: bool = False


class Run(Generic[T]):
    """One job under way."""

    def __init__(self, job: Job[T], limit: float, locks: Locks) -> None:
        self.job = job
        self.limit = limit
        self.heard_at = time.monotonic()
        self.outcome: Outcome[T] | None = None
        self.identity: Identity | None = None
        self.is_twin = False
        self.pipe: Connection[Job[T], Message] | None = None
        self.locks = locks
        self._lock = locks.of(job.key)
        self._process: subprocess.Popen[bytes] | None = None
        self._hangs = False
        self._stamp = 0
        self._killed_since: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come."""
        return self.outcome is not None or self.is_twin

    @property
    def so_far(self) -> Outcome[T]:
        """The outcome as far as it is known."""
        silent = time.monotonic() - self.heard_at
        still = UserError(f"no sign of progress for {duration(int(silent))}, still waiting")
        return self.outcome or Outcome(self.job, error=still, waiting=True)

    def begin(self) -> bool:
        """Start the process, if nobody else works on the same; tell whether it is started."""
        lock = None
        if self._lock is not None:
            try:
                lock = self._lock.take()
            except OSError as error:  # a full disk, say: that is no trouble of what is looked at
                self._lock = None
                self.locks.miss(f"no lock file can be opened: {error.strerror}")
            else:
                if lock is None:
                    self._see_holder(self._lock)
                    return False
        inherited = () if lock is None else (lock,)
        try:
            self._process, self.pipe = start("exporter.oneshot.child", *inherited, detached=True)
        except OSError as error:
            self._fail(f"no process can be started: {error.strerror}")
            return False
        finally:
            for fd in inherited:  # the child has its own
                os.close(fd)
        with suppress(ConnectionError):  # it ended at once; that is heard
            self.pipe.send(self.job)
        return True

    def _see_holder(self, lock: Lock) -> None:
        """Wait on while whoever holds the lock makes progress; give up where it cannot."""
        try:
            holder = lock.holder()
        except OSError:  # gone meanwhile
            return
        now = time.monotonic()
        if holder.stamp != self._stamp:
            self._stamp, self.heard_at = holder.stamp, now
        if not holder.is_killed:
            self._killed_since = None
            return
        self._killed_since = self._killed_since or now
        if now - self._killed_since >= DYING_SECONDS:
            self._fail(
                f"an earlier scan of it still hangs: process {holder.pid} cannot end until the"
                " mount answers or is gone, and no other is started"
            )

    def hear(self) -> list[Message]:
        """Take in what the process says, and give it."""
        messages: list[Message] = []
        try:
            while not self.is_over and self.pipe is not None and self.pipe.poll():
                message = self.pipe.recv()
                self.heard_at = time.monotonic()
                self._take_in(message)
                messages.append(message)
        except (EOFError, OSError):
            self._fail(f"its process ended without an answer{self._how_it_ended()}")
        return messages

    def _take_in(self, message: Message) -> None:
        match message:
            case Stands(identity):
                self.identity = identity
            case Found(value):
                self.outcome = Outcome(self.job, found=value)  # type: ignore[arg-type]
            case Failed(error, traceback):
                if traceback:
                    logger().error("unexpected error", name=self.job.name, failure=traceback)
                self.outcome = Outcome(self.job, error=error)
            case Beat() | Counted() | Further():
                pass

    def give_up_late(self) -> None:
        """Give up what made no progress within the limit."""
        if time.monotonic() - self.heard_at < self.limit:
            return
        silence = f"no progress for {duration(self.limit)}"
        if self._process is None:
            self._fail(f"another scan of it is under way and made {silence}")
            return
        self.end()
        if self.has_ended():
            self._fail(f"{silence}, so it was given up; a slow disk needs a longer --scan.timeout")
        else:
            self._fail(
                f"{silence}, and process {self._process.pid} cannot end until the mount answers or"
                " is gone"
            )

    def let_go(self) -> None:
        """Kill the process, unless it is ending by itself: so its lock is free when we end."""
        done = self.outcome is not None and self.outcome.found is not None
        if not done or not self.has_ended():
            self.end()

    def end(self) -> None:
        """Kill the process, without waiting for its end."""
        if self._process is not None:
            self._process.kill()

    def has_ended(self) -> bool:
        """Whether the process is gone, after a moment. One that hangs is waited for only once."""
        if self._process is not None and not self._hangs:
            try:
                self._process.wait(DYING_SECONDS)
            except subprocess.TimeoutExpired:
                self._hangs = True
        return not self._hangs

    def _fail(self, what: str) -> None:
        self.outcome = Outcome(self.job, error=UserError(what))

    def _how_it_ended(self) -> str:
        code = self._process.returncode if self._process and self.has_ended() else 0
        return f": killed by signal {-code}, as where memory runs out" if code < 0 else ""
