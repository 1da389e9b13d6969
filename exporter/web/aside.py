"""Work in a thread of its own, for what takes long or for ever: a hash, a disk that hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_Found = TypeVar("_Found")


async def aside(work: Callable[[], _Found]) -> _Found:
    """Do it in a thread that does not keep the program from ending, as those of asyncio's pool do."""
    done: Future[_Found] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
            done.set_exception(error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return await asyncio.wrap_future(done)
