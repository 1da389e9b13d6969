"""Where the roots are: named, configured by the engine, and seen from inside a container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exporter.disk.roots import RootsError, discovered_roots, named_roots
from exporter.disk.seen import limit_set_for, seen_path
from exporter.model import Root

HOST = Path("/")

REMEDY = "; name the root on the command line or under `roots:` in the configuration"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder that stands for the host's `/`, as a container sees it."""
    (tmp_path / "host/etc/docker").mkdir(parents=True)
    return tmp_path / "host"


def store(host: Path, path: str, driver: str = "overlay") -> Path:
    """Make a storage root at the host's path."""
    folder = host / path.lstrip("/")
    (folder / driver).mkdir(parents=True)
    return folder


def daemon_json(host: Path, text: str) -> None:
    (host / "etc/docker/daemon.json").write_text(text)


def found(host: Path, **limits: int) -> dict[str, Path]:
    roots = discovered_roots(host, limits)
    assert all(root.discovered for root in roots)
    return {root.path: root.seen for root in roots}


# The host's files, seen from elsewhere.


@pytest.mark.parametrize("path", ["/var/lib/docker", "/a/../b", "/a//b/."])
def test_where_we_are_the_host_a_path_is_itself(path: str) -> None:
    assert Path(path) == seen_path(path, HOST)


@pytest.mark.parametrize(
    ("path", "target", "expected"),
    [
        ("/var/lib/docker", None, "var/lib/docker"),
        ("/", None, ""),
        ("/a/./b//c/", None, "a/b/c"),
        ("/a/../b", None, "b"),
        ("/../../b", None, "b"),
        ("/link", "/data/docker", "data/docker"),
        ("/link/below", "/data", "data/below"),
        ("/link", "data", "data"),
        ("/d/link", "data", "d/data"),
        ("/d/link", "../data", "data"),
        ("/d/link", "../../../../data", "data"),
        ("/d/link", "/../../data", "data"),
        ("/d/link/../x", "/p/q", "p/x"),
        ("/link", "/", ""),
        ("/link", ".", ""),
        ("/link", "/no/such/folder", "no/such/folder"),
    ],
)
def test_a_symlink_of_the_host_never_leads_out_of_its_root(
    host: Path, path: str, target: str | None, expected: str
) -> None:
    if target is not None:
        place = host / path.partition("link")[0].lstrip("/") / "link"
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(target)
    assert host / expected == seen_path(path, host)


def test_a_symlink_to_a_symlink_is_followed_to_its_end(host: Path) -> None:
    (host / "data").mkdir()
    for name, target in (("a", "/b"), ("b", "etc/c"), ("etc/c", "../data")):
        (host / name).symlink_to(target)
    assert seen_path("/a/docker", host) == host / "data/docker"


@pytest.mark.parametrize("links", [{"a": "a"}, {"a": "/b", "b": "/a"}, {"a": "a/a"}])
def test_a_loop_of_symlinks_is_that_roots_trouble_alone(host: Path, links: dict[str, str]) -> None:
    for name, target in links.items():
        (host / name).symlink_to(target)
    with pytest.raises(OSError, match=str(host)):
        os.listdir(seen_path("/a/docker", host))


# Roots that somebody named.


def test_named_roots_keep_their_order_and_are_told_apart(host: Path) -> None:
    limits = {"/a": 5}
    assert (
        Root("/b", host / "b", discovered=False, links_limits=limits),
        Root("/a", host / "a", discovered=False, links_limits=limits),
    ) == named_roots(["/b", "/a"], host, limits)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        ({}, None),
        ({"/other": 8}, None),
        ({"/link": 1000}, 1000),
        ({"/data": 5}, 5),
        ({"/link": 1000, "/data": 5}, 1000),
    ],
)
def test_a_limit_is_set_by_the_roots_path_or_by_the_one_that_its_symlinks_lead_to(
    host: Path, limits: dict[str, int], limit: int | None
) -> None:
    (host / "data").mkdir()
    (host / "link").symlink_to("/data")
    (root,) = named_roots(["/link"], host, limits)
    assert limit_set_for(root, host / "data", host) == limit


def test_the_same_folder_named_twice_is_one_root() -> None:
    named = named_roots(["/a", "/a/", "/a/b/..", "/./a"], HOST, {})
    assert named == (Root("/a", Path("/a")),)


def test_a_relative_root_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert named_roots(["docker"], HOST, {}) == (Root(f"{tmp_path}/docker", tmp_path / "docker"),)


def test_a_name_that_is_no_text_is_shown_as_text_and_still_reached() -> None:
    path = os.fsdecode(b"/d\xff")
    assert named_roots([path], HOST, {}) == (Root("/d\\xff", Path(path)),)


def test_two_roots_that_would_have_one_label_are_refused_in_one_sentence() -> None:
    with pytest.raises(RootsError) as error:
        named_roots([os.fsdecode(b"/d/\xff"), "/other", "/d/\\xff"], HOST, {})
    assert str(error.value) == (
        r"the roots '/d/\xff' and '/d/\\xff' would both be told as /d/\xff; name one only"
    )


# Roots that are found.


@pytest.mark.parametrize("driver", ["overlay", "overlay2"])
def test_without_a_daemon_json_the_default_root_is_found(host: Path, driver: str) -> None:
    seen = store(host, "/var/lib/docker", driver)
    assert found(host) == {"/var/lib/docker": seen}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "/var/lib/docker"),
        ('{"debug": true}', "/var/lib/docker"),
        ('{"data-root": null}', "/var/lib/docker"),
        ('{"data-root": "/data/new"}', "/data/new"),
        ('{"graph": "/data/old"}', "/data/old"),
        ('{"graph": "/data/old", "data-root": "/data/new"}', "/data/new"),
        ('{"data-root": "/data//x/../new/"}', "/data/new"),
    ],
)
def test_the_engines_own_configuration_says_where_its_root_is(
    host: Path, text: str, expected: str
) -> None:
    daemon_json(host, text)
    for path in ("/var/lib/docker", "/data/new", "/data/old"):
        store(host, path)
    assert found(host) == {expected: host / expected[1:]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("\x00", "is not JSON"),
        ("[]", "is not an object"),
        ("7", "is not an object"),
        ('{"data-root": 7}', "data-root is not an absolute path"),
        ('{"data-root": ["/a"]}', "data-root is not an absolute path"),
        ('{"data-root": "docker"}', "data-root is not an absolute path"),
        ('{"graph": "../docker"}', "data-root is not an absolute path"),
        ('{"data-root": "/a\\nb"}', "data-root is not an absolute path"),
        ('{"data-root": "/a\\ud800"}', "data-root is not an absolute path"),
    ],
)
def test_a_daemon_json_that_cannot_be_understood_is_one_sentence(
    host: Path, text: str, said: str
) -> None:
    daemon_json(host, text)
    with pytest.raises(RootsError) as error:
        discovered_roots(host, {})
    assert str(error.value) == f"/etc/docker/daemon.json: {said}{REMEDY}"


def test_a_daemon_json_that_cannot_be_read_is_one_sentence(host: Path) -> None:
    (host / "etc/docker/daemon.json").mkdir()
    with pytest.raises(RootsError) as error:
        discovered_roots(host, {})
    assert str(error.value) == f"/etc/docker/daemon.json: is not a regular file{REMEDY}"


def test_roots_of_user_namespaces_are_found_below_the_data_root(host: Path) -> None:
    for name in ("100000.100000", "1000.1000", "1.2.3", "100", "x.1", "1000.1000x"):
        store(host, f"/var/lib/docker/{name}")
    (host / "var/lib/docker/5.5").mkdir()  # empty: not a store
    path = "/var/lib/docker"
    below = {f"{path}/{n}": host / path[1:] / n for n in ("1000.1000", "100000.100000")}
    assert found(host) == below
    store(host, path, "overlay2")
    assert found(host) == {path: host / path[1:], **below}


def test_a_root_behind_a_symlink_of_the_host_is_seen_and_keeps_its_name(host: Path) -> None:
    seen = store(host, "/data/docker")
    store(host, "/data/docker/1.1")
    (host / "var/lib").mkdir(parents=True)
    (host / "var/lib/docker").symlink_to("/data/docker")
    assert found(host) == {"/var/lib/docker": seen, "/var/lib/docker/1.1": seen / "1.1"}


def test_a_found_root_has_the_limit_set_for_its_own_path(host: Path) -> None:
    for path in ("/var/lib/docker", "/var/lib/docker/1.1"):
        store(host, path)
    roots = discovered_roots(host, {"/var/lib/docker/1.1": 7, "/other": 8})
    assert [limit_set_for(root, root.seen, host) for root in roots] == [None, 7]


def test_a_host_without_an_engine_has_no_roots(host: Path) -> None:
    assert found(host) == {}
    (host / "var/lib/docker/volumes").mkdir(parents=True)
    assert found(host) == {}
