"""Basic authentication against bcrypt hashes.

A name that is not known costs as much time as one that is. One hash is computed at a time, in a
thread of its own, because it is slow by intent; what was right once is remembered until the users change.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

import bcrypt

_LONGEST: Final = 72
"""Bytes of a password; bcrypt knows no more, so a longer one is wrong."""

_WAITING: Final = 50
"""Most checks that wait for their turn; whoever comes beyond them is sent away."""

_WRONG_KEPT: Final = 1000
"""Wrong answers remembered, so that a client that keeps asking costs nothing."""

_NOBODY: Final = "O9hJu1NzHqRZ5KlGIobdXeYjB2vkDCD1CYGLvTk8lvlsTTB7YrmFK"
"""Salt and digest of no password that anyone knows, for names that are not users."""


class Verdict(Enum):
    """What became of a request's name and password."""

    RIGHT = auto()
    WRONG = auto()
    BUSY = auto()


def credentials_of(header: str) -> tuple[str, bytes] | None:
    """Read name and password from an Authorization header, or None where it is not such a one."""
    scheme, _, word = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        raw = base64.b64decode(word.strip(), validate=True)
        name, colon, password = raw.partition(b":")
        return (name.decode(), password) if colon else None
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


class Gate:
    """Says who may pass."""

    def __init__(self) -> None:
        self._users: Mapping[str, str] = {}
        self._salt = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._turn = asyncio.Lock()
        self._checks: dict[bytes, asyncio.Task[bool]] = {}

    def change(self, users: Mapping[str, str]) -> None:
        """Take these users, names with their bcrypt hashes; what was remembered is forgotten."""
        if users != self._users:
            self._users = dict(users)
            self._right.clear()
            self._wrong.clear()

    @property
    def open(self) -> bool:
        """Whether nobody needs to say who they are."""
        return not self._users

    async def judge(self, header: str) -> Verdict:
        """Judge an Authorization header."""
        given = credentials_of(header)
        if given is None or len(given[1]) > _LONGEST:
            return Verdict.WRONG
        name, password = given
        hashed = self._users.get(name) or self._nobody(name)
        seal = self._seal(name, hashed.encode(), password)
        if (known := self._remembered(name, seal)) is not None:
            return known
        check = self._checks.get(seal)
        if check is None:
            if len(self._checks) >= _WAITING:
                return Verdict.BUSY
            check = asyncio.create_task(self._check(name, password, hashed.encode(), seal))
            self._checks[seal] = check
        # A client that goes away must not let the next check begin beside its own.
        return Verdict.RIGHT if await asyncio.shield(check) else Verdict.WRONG

    async def _check(self, name: str, password: bytes, hashed: bytes, seal: bytes) -> bool:
        users = self._users
        try:
            async with self._turn:
                right = await _in_thread(password, hashed) and name in users
        finally:
            del self._checks[seal]
        if users is self._users:
            self._remember(name, seal, right=right)
        return right

    def _remembered(self, name: str, seal: bytes) -> Verdict | None:
        if hmac.compare_digest(self._right.get(name, b""), seal):
            return Verdict.RIGHT
        return Verdict.WRONG if seal in self._wrong else None

    def _remember(self, name: str, seal: bytes, *, right: bool) -> None:
        if right:
            self._right[name] = seal
            return
        self._wrong[seal] = None
        if len(self._wrong) > _WRONG_KEPT:
            self._wrong.popitem(last=False)

    def _nobody(self, name: str) -> str:
        """Give a hash that nothing matches, of the cost of some user, always the same for a name."""
        hashes = sorted(self._users.values())
        pick = int.from_bytes(self._seal(name)) % len(hashes) if hashes else 0
        cost = hashes[pick].split("$")[2] if hashes else "10"
        return f"$2b${cost}${_NOBODY}"

    def _seal(self, name: str, *parts: bytes) -> bytes:
        sealed = hmac.new(self._salt, digestmod="sha256")
        for part in (name.encode(), *parts):
            sealed.update(len(part).to_bytes(4) + part)
        return sealed.digest()


async def _in_thread(password: bytes, hashed: bytes) -> bool:
    """Compute a hash in a thread that does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def tell(right: bool) -> None:
        if not done.done():
            done.set_result(right)

    def check() -> None:
        try:
            right = bcrypt.checkpw(password, hashed)
        except ValueError:  # a password that bcrypt does not take
            right = False
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, right)

    threading.Thread(target=check, name="bcrypt", daemon=True).start()
    return await done
