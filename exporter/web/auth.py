"""Basic authentication against bcrypt hashes.

A name that is not known costs as much time as one that is. One hash is computed at a time, in a
thread of its own, because it is slow by intent; what was right once is remembered until the users change.
Next is the address that has asked least, so that a flood of wrong passwords keeps no other client out.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum, auto
from functools import partial
from typing import Final

import bcrypt

from exporter.web.aside import aside
from exporter.web.turns import Turns

_LONGEST: Final = 72
"""Bytes of a password; bcrypt knows no more, so a longer one is wrong."""

_WAITING: Final = 50
"""Most checks that wait for their turn; beyond them those are sent away whose address asks most."""

_CLIENTS: Final = 1000
"""Addresses whose questions are counted."""

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
        self._turns = Turns(_WAITING)
        self._asked: OrderedDict[str, int] = OrderedDict()

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

    async def judge(self, header: str, client: str = "") -> Verdict:
        """Judge an Authorization header that came from this address."""
        given = credentials_of(header)
        if given is None or len(given[1]) > _LONGEST:
            return Verdict.WRONG
        if (known := self._remembered(*given)) is not None:
            return known
        async with self._turns.turn(self._asked_before(client)) as ours:
            if not ours:
                return Verdict.BUSY
            known = self._remembered(*given)  # the one before may have asked the same
            verdict = known or await self._checked(*given)
        if verdict is Verdict.RIGHT:
            self._asked.pop(client, None)
        return verdict

    def _asked_before(self, client: str) -> int:
        """Count what an address has asked that was not right, so that others have their turn before it."""
        before = self._asked.pop(client, 0)
        self._asked[client] = before + 1
        if len(self._asked) > _CLIENTS:
            self._asked.popitem(last=False)
        return before

    async def _checked(self, name: str, password: bytes) -> Verdict:
        check = asyncio.create_task(self._check(name, password))
        try:
            return await asyncio.shield(check)
        except asyncio.CancelledError:
            # A client that goes away must not let the next check begin beside its own.
            await check
            raise

    async def _check(self, name: str, password: bytes) -> Verdict:
        hashed, users = self._hash(name), self._users
        right = await aside(partial(_matches, password, hashed.encode())) and name in users
        if users is self._users:
            self._remember(name, self._seal(name, hashed.encode(), password), right=right)
        return Verdict.RIGHT if right else Verdict.WRONG

    def _remembered(self, name: str, password: bytes) -> Verdict | None:
        seal = self._seal(name, self._hash(name).encode(), password)
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

    def _hash(self, name: str) -> str:
        """A user's hash; for others one that nothing matches, of some user's cost, always the same."""
        if name in self._users:
            return self._users[name]
        hashes = sorted(self._users.values())
        pick = int.from_bytes(self._seal(name)) % len(hashes) if hashes else 0
        cost = hashes[pick].split("$")[2] if hashes else "10"
        return f"$2b${cost}${_NOBODY}"

    def _seal(self, name: str, *parts: bytes) -> bytes:
        sealed = hmac.new(self._salt, digestmod="sha256")
        for part in (name.encode(), *parts):
            sealed.update(len(part).to_bytes(4) + part)
        return sealed.digest()


def _matches(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, hashed)
    except ValueError:  # a password that bcrypt does not take
        return False
