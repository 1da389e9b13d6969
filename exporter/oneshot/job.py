"""What a child process is asked to do, and what it says meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from exporter.errors import UserError
from exporter.model import Root
from exporter.thinking.orders import Identity, Stands

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """Work for one child process.

    `name` is for people; no two processes work at a time on what has the same `key`. `work` is
    pickled: a function of a module, or a partial of one. `root` is the root that it looks at, if any.
    """

    name: str
    key: str
    work: Callable[[Teller], T]
    root: Root | None = None


class Teller(Protocol):
    """Reports progress to the parent process."""

    def counted(self, done: int, of: int) -> None:
        """So many folders of so many that were due are counted."""

    def stands(self, identity: Identity) -> None:
        """The root's folder is this one."""

    def further(self, jobs: Sequence[Job[Any]]) -> None:
        """These jobs are to be done as well."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life: the work has gone on since the last one."""


@dataclass(frozen=True, slots=True)
class Counted:
    """So many folders of so many that were due are counted."""

    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Further:
    """Jobs that the work found out are to be done as well."""

    jobs: tuple[Job[Any], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The work is done, and gave this."""

    value: object


@dataclass(frozen=True, slots=True)
class Failed:
    """The work ended without a result: by an error that a user can mend, or by a bug.

    `traceback` is a bug's, for the log.
    """

    error: UserError
    traceback: str = ""


Message = Beat | Counted | Stands | Further | Found | Failed
