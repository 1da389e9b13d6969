"""Basic authentication, at the door of the real daemon and at the gate itself."""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from contextlib import ExitStack
from pathlib import Path

import bcrypt
import pytest
from serving import served
from webclients import curl, hashed

from exporter.web.auth import Gate, Verdict, credentials_of

LONG = "x" * 73


def basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


def judge(users: dict[str, str], *headers: str) -> list[Verdict]:
    async def judged() -> list[Verdict]:
        gate = Gate()
        gate.change(users)
        return [await gate.judge(header) for header in headers]

    return asyncio.run(judged())


def test_users_pass_and_all_others_are_told_how_to(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(
        f"basic_auth_users:\n  alice: {hashed('pässwort', '2y')}\n  bob: {hashed('b:c')}\n"
    )
    with served(tmp_path, f"--web.config.file={tmp_path / 'web.yml'}", "/nonexistent") as daemon:
        url = f"http://127.0.0.1:{daemon.port}"
        for path in ("/metrics", "/", "/api/v1/report", "/-/healthy", "/nothing"):
            said = curl(url + path)
            assert (said.status, said.body) == (401, "Unauthorized\n")
            assert said.headers["www-authenticate"].startswith("Basic realm=")
        good = ("alice:pässwort", "bob:b:c")
        assert [curl(f"{url}/metrics", "-u", who).status for who in good] == [200, 200]
        bad = ("alice:b:c", "bob:", "carol:pässwort", f"alice:{LONG}", "alice:a\x01", ":")
        assert {who: curl(f"{url}/metrics", "-u", who).status for who in bad} == dict.fromkeys(
            bad, 401
        )
        told = daemon.log.read_text() + curl(url + "/", "-u", "bob:b:c").body
        assert not any(secret in told for secret in ("pässwort", "b:c", "$2", LONG))


def test_users_rotate_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users: {{alice: {hashed('old')}}}\n")
    with served(tmp_path, f"--web.config.file={path}", "/nonexistent") as daemon:
        url = f"http://127.0.0.1:{daemon.port}/metrics"
        assert curl(url, "-u", "alice:old").status == 200
        path.write_text(f"basic_auth_users: {{alice: {hashed('new')}, bob: {hashed('b')}}}\n")
        daemon.await_that(lambda: curl(url, "-u", "alice:new").status == 200)
        assert [curl(url, "-u", who).status for who in ("alice:old", "bob:b")] == [401, 200]


Checks = list[tuple[bytes, bytes]]
"""The passwords that were hashed, each with the hash it was compared to."""


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    """Note each hash that bcrypt makes to check a password."""
    made, check = Checks(), bcrypt.checkpw

    def noted(password: bytes, hashed_password: bytes) -> bool:
        made.append((password, hashed_password))
        return check(password, hashed_password)

    monkeypatch.setattr(bcrypt, "checkpw", noted)
    return made


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic %%%",
        "Bearer YTpi",
        "Basic " + b64encode(b"no colon").decode(),
        "Basic " + b64encode(b"\xff:x").decode(),
        "Basic YTpi YTpi",
        "Basic " + "A" * 100_000,
    ],
)
def test_what_is_no_name_and_password_is_wrong(header: str) -> None:
    assert credentials_of(header) is None
    assert judge({"a": hashed("b")}, header) == [Verdict.WRONG]


def test_a_password_that_bcrypt_does_not_take_is_wrong() -> None:
    users = {"a": hashed("x" * 72)}
    headers = [basic("a", "x" * 72), basic("a", "x" * 73), basic("a", "\0"), basic("nobody", LONG)]
    expected = [Verdict.RIGHT, Verdict.WRONG, Verdict.WRONG, Verdict.WRONG]
    assert judge(users, *headers) == expected


@pytest.mark.parametrize("cost", [4, 8])
def test_an_unknown_user_costs_the_same_as_a_known_one(cost: int, checks: Checks) -> None:
    """One hash at the cost of the users' own: no name can be told from another by the time."""

    async def story() -> None:
        gate = Gate()
        gate.change({"alice": hashed("x", cost=cost)})
        for name in ("alice", "nobody"):
            assert await gate.judge(basic(name, "wrong")) is Verdict.WRONG

    asyncio.run(story())
    known, unknown = (hashed_password.split(b"$")[1:3] for _, hashed_password in checks)
    assert known == unknown == [b"2b", f"{cost:02}".encode()]


def test_a_right_password_is_remembered_and_forgotten_with_the_users(checks: Checks) -> None:
    async def story() -> list[Verdict]:
        gate = Gate()
        gate.change({"a": hashed("b", cost=12)})
        first = await gate.judge(basic("a", "b"))
        again = [await gate.judge(basic("a", "b")) for _ in range(100)]
        assert len(checks) == 1
        gate.change({"a": hashed("c")})
        return [first, *set(again), await gate.judge(basic("a", "b"))]

    assert asyncio.run(story()) == [Verdict.RIGHT, Verdict.RIGHT, Verdict.WRONG]


def test_one_hash_at_a_time_leaves_the_loop_free_and_the_queue_is_bounded() -> None:
    async def story() -> list[Verdict]:
        gate = Gate()
        gate.change({"a": hashed("b", cost=6)})
        assert await gate.judge(basic("a", "b")) is Verdict.RIGHT
        crowd = [asyncio.create_task(gate.judge(basic("a", f"wrong{n}"))) for n in range(60)]
        await asyncio.sleep(0)
        known = [await gate.judge(basic("a", "b"))]
        assert not any(task.done() and task.result() is Verdict.WRONG for task in crowd[1:])
        verdicts = await asyncio.gather(*crowd)
        assert verdicts.count(Verdict.BUSY) == 9
        assert verdicts.count(Verdict.WRONG) == 51, "one at work, fifty that wait"
        return known

    assert asyncio.run(story()) == [Verdict.RIGHT]


@pytest.mark.parametrize("addresses", [1, 20, 200])
def test_a_flood_from_other_addresses_keeps_nobody_out(addresses: int) -> None:
    """Each of them has asked before, as whoever guesses does; the good client comes last."""

    async def story() -> None:
        gate = Gate()
        gate.change({"a": hashed("b", cost=6)})

        def flood(what: str) -> list[asyncio.Task[Verdict]]:
            guesses = [(basic("a", f"{what}{n}"), f"192.0.2.{n % addresses}") for n in range(200)]
            return [asyncio.create_task(gate.judge(*guess)) for guess in guesses]

        await asyncio.gather(*flood("wrong"))
        crowd = flood("also wrong")
        await asyncio.sleep(0)
        assert await gate.judge(basic("a", "b"), "198.51.100.1") is Verdict.RIGHT
        assert sum(not task.done() for task in crowd) > 40, "most of them still wait"
        await asyncio.gather(*crowd)

    asyncio.run(story())


def test_the_first_scrape_amid_a_flood_of_wrong_passwords_is_served(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{a: {hashed('b', cost=10)}}}\n")
    with (
        served(tmp_path, f"--web.config.file={tmp_path / 'web.yml'}", "/nonexistent") as daemon,
        ExitStack() as stack,
    ):
        for n in range(100):
            address = ("127.0.0.1", daemon.port)
            client = socket.create_connection(address, 10, source_address=("127.0.0.2", 0))
            stack.enter_context(client).sendall(
                f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('a', f'{n}')}\r\n\r\n".encode()
            )
        assert curl(f"http://127.0.0.1:{daemon.port}/metrics", "-u", "a:b").status == 200


def test_what_a_client_asked_that_left_is_not_asked_twice(checks: Checks) -> None:
    """Else one that waits for less than a hash takes would never get through."""

    async def story() -> None:
        gate = Gate()
        gate.change({"a": hashed("b", cost=10)})
        leaving = asyncio.create_task(gate.judge(basic("a", "b")))
        await asyncio.sleep(0.01)
        leaving.cancel()
        assert await gate.judge(basic("a", "b")) is Verdict.RIGHT
        assert [password for password, _ in checks] == [b"b"]

    asyncio.run(story())
