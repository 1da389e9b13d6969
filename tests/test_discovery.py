"""Which roots are found on hosts that set them in every way, and in every broken way."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from looking import Run
from serving import served

from exporter.daemon.search import Search
from exporter.demo.planted import PlantedRoot
from exporter.disk import places
from exporter.disk.host import Host, place_of, remote_mounts
from exporter.disk.roots import RootsError, candidates, discovered_roots

OLD = "/var/lib/docker"
REMEDY = "; name the root on the command line or under `roots:` in the configuration"
ME = os.getuid()

Files = dict[str, str]

UNIT = "[Service]\nEnvironmentFile=-/etc/sysconfig/docker\nExecStart=/usr/bin/dockerd $OPTIONS\n"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder that stands for the host's `/`, with an old root where the engine's default is."""
    store(tmp_path / "host", OLD)
    return tmp_path / "host"


def store(host: Path, path: str) -> None:
    """Make a storage root at the host's path."""
    (host / path.lstrip("/") / "overlay").mkdir(parents=True)


def write(host: Path, files: Files) -> None:
    """Write the host's files; one whose text begins with `->` is a symlink."""
    for path, text in files.items():
        file = host / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            file.symlink_to(text[2:])
        else:
            file.write_text(text)


def found(host: Path) -> list[str]:
    return [root.path for root in discovered_roots(host, {})]


def refused(host: Path) -> str:
    with pytest.raises(RootsError) as error:
        candidates(host)
    said = str(error.value)
    assert said.endswith(REMEDY)
    assert said.isprintable()
    return said.removesuffix(REMEDY)


# Every way to set a root.

WAYS: dict[str, tuple[Files, str]] = {
    "sysconfig with -g": ({"/etc/sysconfig/docker": "OPTIONS='-g /data/docker'\n"}, "/data/docker"),
    "sysconfig by way of a unit": (
        {
            "/etc/sysconfig/docker": "OPTIONS='-g /data/docker'\n",
            "/usr/lib/systemd/system/docker.service": UNIT,
        },
        "/data/docker",
    ),
    "storage options": (
        {"/etc/sysconfig/docker-storage": "DOCKER_STORAGE_OPTIONS=--graph=/data/docker"},
        "/data/docker",
    ),
    "a drop-in": (
        {
            "/lib/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd -H fd://\n",
            "/etc/systemd/system/docker.service.d/root.conf": (
                "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd \\\n  --data-root /data/docker\n"
            ),
        },
        "/data/docker",
    ),
    "a unit of the administrator": (
        {
            "/lib/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd -g /no",
            "/etc/systemd/system/docker.service": (
                "[Service]\nExecStart=/usr/bin/dockerd -g /data/docker"
            ),
        },
        "/data/docker",
    ),
    "default file": ({"/etc/default/docker": 'DOCKER_OPTS="-g /data/docker"\n'}, "/data/docker"),
    "default file of a host with upstart, whose package has a unit too": (
        {
            "/sbin/init": "",
            "/lib/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd -H fd://",
            "/etc/default/docker": 'DOCKER_OPTS="-g /data/docker"\n',
        },
        "/data/docker",
    ),
    "default file is not read where a unit does not name it": (
        {
            "/sbin/init": "->/lib/systemd/systemd",
            "/lib/systemd/systemd": "",
            "/lib/systemd/system/docker.service": (
                "[Service]\nExecStart=/usr/bin/dockerd -g /data/docker"
            ),
            "/etc/default/docker": 'DOCKER_OPTS="-g /no"\n',
        },
        "/data/docker",
    ),
    "an environment file by wildcard": (
        {
            "/etc/systemd/system/docker.service": (
                "[Service]\nEnvironmentFile=-/etc/default/docker.d/*\n"
                "ExecStart=/usr/bin/dockerd $DOCKER_OPTS"
            ),
            "/etc/default/docker.d/root": "DOCKER_OPTS=--data-root=/data/docker\n",
        },
        "/data/docker",
    ),
    "--config-file": (
        {
            "/etc/systemd/system/docker.service": (
                "[Service]\nExecStart=/usr/bin/dockerd --config-file /etc/d/other.json"
            ),
            "/etc/d/other.json": '{"data-root": "/data/docker"}',
            "/etc/docker/daemon.json": '{"data-root": "/no"}',
        },
        "/data/docker",
    ),
    "daemon.json": ({"/etc/docker/daemon.json": '{"data-root": "/data/docker"}'}, "/data/docker"),
    "daemon.json with graph": ({"/etc/docker/daemon.json": '{"graph": "/data/x"}'}, "/data/x"),
    "a masked unit": (
        {
            "/etc/systemd/system/docker.service": "->/dev/null",
            "/lib/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd -g /no",
            "/etc/docker/daemon.json": '{"graph": "/data/x"}',
        },
        "/data/x",
    ),
    "snap": ({}, "/var/snap/docker/common/var-lib-docker"),
    "snap's own configuration": (
        {
            "/var/snap/docker/2893/config/daemon.json": '{"data-root": "/data/snap"}',
            "/var/snap/docker/current": "->2893",
        },
        "/data/snap",
    ),
    "rootless": (
        {"/etc/passwd": f"joe:x:{ME}:1:,,,:/home/joe:/bin/sh\n"},
        "/home/joe/.local/share/docker",
    ),
    "rootless with a configuration": (
        {
            "/etc/passwd": f"joe:x:{ME}:1::/home/joe:/bin/sh\n",
            "/home/joe/.config/docker/daemon.json": '{"data-root": "/data/joe"}',
        },
        "/data/joe",
    ),
    "user namespaces": ({}, f"{OLD}/100000.100000"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_root_is_found_however_it_is_set(host: Path, way: str) -> None:
    """An old one in the default place is another root only where it may be in use as well."""
    files, root = WAYS[way]
    write(host, files)
    store(host, root)
    store(host, "/no")  # a store that no engine is told of
    beside = [OLD] if way.startswith(("snap", "rootless", "user namespaces")) else []
    assert sorted(found(host)) == sorted([*beside, root])
    assert candidates(host).problems == ()


def test_the_engines_own_root_comes_first_and_each_path_once(host: Path) -> None:
    write(host, WAYS["sysconfig with -g"][0])
    write(host, {"/etc/passwd": f"a:x:{ME}:1::/home/a:\nb:x:{ME}:1::/home/a:\n"})
    for path in ("/data/docker", "/home/a/.local/share/docker", places.SNAP_ROOT):
        store(host, path)
    expected = ("/data/docker", places.SNAP_ROOT, "/home/a/.local/share/docker")
    assert candidates(host).paths == expected


def test_drop_ins_are_read_by_name_and_those_of_the_administrator_hide_others(host: Path) -> None:
    drop_in = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -g {}\n"
    write(
        host,
        {
            "/lib/systemd/system/docker.service": UNIT,
            "/etc/systemd/system/docker.service.d/10-a.conf": drop_in.format("/a"),
            "/run/systemd/system/docker.service.d/10-a.conf": drop_in.format("/hidden"),
            "/run/systemd/system/docker.service.d/20-b.conf": drop_in.format("/b"),
            "/lib/systemd/system/docker.service.d/30-c.conf": drop_in.format("/c"),
            "/etc/systemd/system/docker.service.d/30-c.conf": "->/dev/null",
            "/etc/systemd/system/docker.service.d/40-d.conf.bak": drop_in.format("/d"),
        },
    )
    assert candidates(host).paths[0] == "/b"


def test_where_options_and_daemon_json_name_a_root_that_of_the_options_is_first_and_it_is_told(
    host: Path,
) -> None:
    write(host, WAYS["sysconfig with -g"][0])
    write(host, {"/etc/docker/daemon.json": '{"data-root": "/other"}'})
    got = candidates(host)
    assert got.paths == ("/data/docker", "/other")
    assert got.problems == (
        "/etc/sysconfig/docker:1: the engine's options and /etc/docker/daemon.json both name a"
        " data-root; both are looked at, that of the options first",
    )


def test_what_a_unit_needs_and_is_not_there_is_told_and_costs_no_root(host: Path) -> None:
    unit = (
        "[Service]\nEnvironmentFile=/run/flannel/subnet.env\n"
        "ExecStart=/usr/bin/dockerd --config-file=/no.json --bip=${FLANNEL_SUBNET} -g /data/docker\n"
    )
    write(host, {"/etc/systemd/system/docker.service": unit})
    store(host, "/data/docker")
    assert found(host) == ["/data/docker"]
    assert candidates(host).problems == (
        "/etc/systemd/system/docker.service:2: /run/flannel/subnet.env is not there",
        "/etc/systemd/system/docker.service:3: the engine's /no.json is not there",
    )


def test_a_symlinked_default_root_is_one_root_under_the_name_that_the_engine_has(
    tmp_path: Path, run: Run
) -> None:
    host = tmp_path / "host"
    PlantedRoot(host / "data/docker")
    write(host, {"/etc/sysconfig/docker": "OPTIONS='-g /data/docker'\n"})
    write(host, {OLD: "->/data/docker"})
    done = run("scan", f"--path.rootfs={host}", "--output=json")
    assert [root["root"] for root in json.loads(done.stdout)["roots"]] == ["/data/docker"]


# Rootless engines: files that strangers write.


@pytest.mark.parametrize(
    "line",
    [
        "",
        "joe",
        "joe:x:{me}:1::/home/joe",
        "joe:x:me:1::/home/joe:/bin/sh",
        "joe:x:{me}:1::home/joe:/bin/sh",
        "joe:x:{me}:1::/home/\tjoe:/bin/sh",
        "joe:x:{other}:1::/home/joe:/bin/sh",
        "joe:x:{me}:1::/home/loop:/bin/sh",
        "joe:x:{me}:1::/../../../../../../..{outside}:/bin/sh",
        "joe:x:{me}:1::/proc/self/root{outside}:/bin/sh",
        "joe:x:{me}:1::/home/out:/bin/sh",
    ],
)
def test_no_line_of_the_list_of_users_leads_out_of_the_host_or_to_what_is_not_that_users(
    host: Path, tmp_path: Path, line: str
) -> None:
    outside = tmp_path / "outside"
    store(outside, "/.local/share/docker")
    write(outside, {"/.config/docker/daemon.json": '{"data-root": "/outside"}'})
    store(host, "/home/joe/.local/share/docker")
    text = line.format(me=ME, other=ME + 1, outside=outside)
    write(host, {"/etc/passwd": f"{text}\n", "/home/loop": "->loop", "/home/out": f"->{outside}"})
    got = candidates(host)
    assert got.paths == (OLD,)
    assert got.problems == ()


def test_a_users_broken_configuration_is_told_and_costs_nobody_else_a_root(host: Path) -> None:
    users = [f"{name}:x:{ME}:1::/home/{name}:/bin/sh" for name in ("eve", "joe")]
    write(host, {"/etc/passwd": "\n".join(users)})
    write(host, {"/home/eve/.config/docker/daemon.json": "{"})
    store(host, "/home/joe/.local/share/docker")
    got = candidates(host)
    assert got.paths == (OLD, "/home/joe/.local/share/docker")
    assert got.problems == ("/home/eve/.config/docker/daemon.json: is not JSON",)


def test_a_users_configuration_that_is_no_file_is_not_opened(host: Path) -> None:
    write(host, {"/etc/passwd": f"eve:x:{ME}:1::/home/eve:\n"})
    folder = host / "home/eve/.config/docker"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "daemon.json")
    got = candidates(host)
    assert got.problems == ("/home/eve/.config/docker/daemon.json: is not a regular file",)


def test_only_so_many_users_are_asked(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_HOMES", 2)
    write(host, {"/etc/passwd": "".join(f"u{i}:x:{ME}:1::/home/u{i}:\n" for i in range(5))})
    for i in range(5):
        store(host, f"/home/u{i}/.local/share/docker")
    assert len(candidates(host).paths) == 3


def test_a_way_over_a_mount_that_may_not_answer_is_not_gone(host: Path) -> None:
    store(host, "/home/joe/.local/share/docker")
    careful = Host(host, frozenset([os.fsencode(host / "home")]))
    assert not careful.is_folder("/home/joe/.local/share/docker")
    assert not careful.is_there("/home/joe")
    with pytest.raises(OSError, match="remote"):
        careful.read("/home/joe/file")
    assert Host(host).is_folder("/home/joe/.local/share/docker")
    assert not any(point == b"/" for point in remote_mounts())


# Twelve ways in which files are hostile or broken.

SETTINGS = "etc/sysconfig/docker"


def a_fifo(host: Path) -> None:
    os.mkfifo(host / SETTINGS)


def a_loop(host: Path) -> None:
    (host / SETTINGS).symlink_to("docker")


def a_huge_file(host: Path) -> None:
    (host / SETTINGS).write_bytes(b"#" * (10 << 20))


def nul_bytes(host: Path) -> None:
    (host / SETTINGS).write_bytes(b"OPTIONS='-g /data\0/docker'\n")


def an_open_quote(host: Path) -> None:
    (host / SETTINGS).write_text("X=1\nOPTIONS='-g /data/docker\n")


def no_utf8(host: Path) -> None:
    (host / SETTINGS).write_bytes(b"# Gr\xfc\xdfe\nOPTIONS='-g /d\xe4ta'\n")


def a_folder(host: Path) -> None:
    (host / SETTINGS).mkdir()


def a_command(host: Path) -> None:
    (host / SETTINGS).write_text('OPTIONS="-g $(touch /tmp/x)"\n')


def an_unset_variable(host: Path) -> None:
    (host / SETTINGS).write_text("OPTIONS=-g${UNSET}\n")


def a_file_that_is_its_own_environment(host: Path) -> None:
    unit = UNIT.replace("/etc/sysconfig/docker", "/etc/systemd/system/docker.service")
    write(host, {"/etc/systemd/system/docker.service": f"{unit}OPTIONS='-g x'\n"})


def a_way_out(host: Path) -> None:
    outside = host.parent / "outside"
    outside.write_text("OPTIONS='-g /secret'\n")
    (host / SETTINGS).symlink_to(outside)


BROKEN: dict[Callable[[Path], None], str] = {
    a_fifo: "/etc/sysconfig/docker: is not a regular file",
    a_loop: "/etc/sysconfig/docker: Too many levels of symbolic links",
    a_huge_file: "/etc/sysconfig/docker: is longer than 1048576 bytes",
    nul_bytes: "/etc/sysconfig/docker:1: -g is not an absolute path",
    an_open_quote: "/etc/sysconfig/docker:2: a quote is not closed",
    no_utf8: "/etc/sysconfig/docker:2: -g is not an absolute path",
    a_folder: "/etc/sysconfig/docker: is not a regular file",
    a_command: "/etc/sysconfig/docker:1: uses a command substitution",
    an_unset_variable: "/etc/sysconfig/docker:1: uses $UNSET, which this file does not set",
    a_file_that_is_its_own_environment: (
        "/etc/systemd/system/docker.service:4: -g is not an absolute path"
    ),
    a_way_out: "",
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("by_unit", [False, True])
def test_a_file_that_is_broken_or_hostile_is_one_sentence_or_is_not_there(
    host: Path, broken: Callable[[Path], None], by_unit: bool
) -> None:
    (host / "etc/sysconfig").mkdir(parents=True)
    expected = BROKEN[broken]
    if by_unit and broken is not a_file_that_is_its_own_environment:
        write(host, {"/etc/systemd/system/docker.service": UNIT})
        expected = expected.replace(  # systemd replaces nothing in such a file
            "uses $UNSET, which this file does not set", "-g is not an absolute path"
        )
    broken(host)
    if expected:
        assert refused(host) == expected
    else:
        assert candidates(host).paths == (OLD,)


def test_a_file_that_may_not_be_read_is_one_sentence(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(host, {"/etc/sysconfig/docker": "OPTIONS=-D\n"})

    def denied(_host: Host, _path: str) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Host, "read", denied)
    assert refused(host) == "/etc/sysconfig/docker: Permission denied"


def test_a_folder_that_becomes_a_symlink_on_the_way_is_not_followed(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"/outside/file": "secret"})
    write(host, {"/a": f"->{tmp_path}/outside"})
    monkeypatch.setattr("exporter.disk.host.place_of", lambda path, rootfs, _: rootfs / path[1:])
    with pytest.raises(OSError, match=r"Too many levels|Not a directory"):
        Host(host).read("/a/file")


def test_a_loop_below_the_host_is_not_followed_into_our_own_files(host: Path) -> None:
    with pytest.raises(OSError, match="Too many levels"):
        place_of("/loop/a", write_loop(host))
    write(host, {"/etc/docker/daemon.json": '{"data-root": "/loop/docker"}'})
    assert found(host) == []


def write_loop(host: Path) -> Path:
    write(host, {"/loop": "->/loop"})
    return host


# The whole program.


def exhausted(path: Path) -> None:
    """Plant a root of one image whose file has almost all the links that it may have."""
    root = PlantedRoot(path)
    root.image(root.layer((), lambda tree: (tree / "file").touch()), "live:1")


def test_a_scan_of_a_host_finds_the_live_root_that_an_option_names(
    tmp_path: Path, run: Run
) -> None:
    host = tmp_path / "host"
    for path in ("data/docker", "var/lib/docker"):
        exhausted(host / path)
    write(host, {"/etc/sysconfig/docker": "OPTIONS='-g /data/docker'\n"})
    limits = tmp_path / "config.yml"
    limits.write_text("links_limits: {/data/docker: 10, /var/lib/docker: 65000}\n")
    done = run("scan", f"--path.rootfs={host}", f"--config.file={limits}", "--output=json")
    assert done.returncode == 0, done.stderr
    left = {r["root"]: r["layers_left"]["links"] for r in json.loads(done.stdout)["roots"]}
    assert list(left) == ["/data/docker"]
    assert left["/data/docker"] < 10


def test_a_scan_of_a_host_whose_files_cannot_be_understood_is_one_sentence(
    host: Path, run: Run
) -> None:
    write(host, {"/etc/default/docker": "\n\nDOCKER_OPTS=`cat /options`\n"})
    done = run("scan", f"--path.rootfs={host}")
    assert (done.returncode, done.stdout) == (2, "")
    said = f"hardlink-exporter: /etc/default/docker:3: uses a command substitution{REMEDY}\n"
    assert done.stderr == said


def test_the_daemon_keeps_its_roots_while_a_file_cannot_be_understood(tmp_path: Path) -> None:
    host = tmp_path / "host"
    for path in ("data/docker", "var/lib/docker"):
        exhausted(host / path)
    file = host / "etc/sysconfig/docker"
    write(host, {"/etc/sysconfig/docker": "OPTIONS='-g /data/docker'\n"})
    config = tmp_path / "config.yml"
    config.write_text("scan: {interval: 1}\n")
    with served(tmp_path, f"--path.rootfs={host}", f"--config.file={config}") as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        file.write_text("OPTIONS='-g /data/docker\n")
        daemon.await_that(lambda: "docker:1: a quote is not closed" in daemon.log.read_text())
        assert [root["up"] for root in daemon.report()] == [True]
        file.write_text("OPTIONS='-g /data/docker' # again\n")
        write(host, {"/etc/docker/daemon.json": '{"graph": "/x"}'})
        daemon.await_that(lambda: "both name a data-root" in daemon.log.read_text())
        time.sleep(2.5)
        assert daemon.log.read_text().count("both name a data-root") == 1


def test_a_place_that_never_answers_is_a_root_and_holds_up_no_other(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(host, WAYS["sysconfig with -g"][0])
    store(host, places.SNAP_ROOT)
    search = Search(host, patience=0.2)
    dead = threading.Event()
    asked = []

    def roots_at(path: str, rootfs: Path, limits: dict[str, int]) -> object:
        asked.append(path)
        if path == "/data/docker":
            dead.wait(60)
        return real(path, rootfs, limits)

    from exporter.disk.roots import roots_at as real  # noqa: PLC0415  (beside its stand-in)

    monkeypatch.setattr("exporter.daemon.search.roots_at", roots_at)
    for _ in range(3):
        roots = search.roots((), {OLD: 7})
        assert [root.path for root in roots] == ["/data/docker", places.SNAP_ROOT]
        assert all(root.discovered and root.links_limits == {OLD: 7} for root in roots)
    assert asked.count("/data/docker") == 1
    assert asked.count(places.SNAP_ROOT) == 3
    dead.set()
    deadline = time.monotonic() + 60
    while [root.path for root in search.roots((), {})] != [places.SNAP_ROOT]:
        assert time.monotonic() < deadline


def test_a_user_who_may_not_look_into_homes_is_not_told_of_roots_there(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(host, {"/etc/passwd": f"joe:x:{ME}:0::/home/joe:/bin/sh\n"})
    store(host, "/home/joe/.local/share/docker")
    real = os.lstat

    def lstat(path: Path) -> os.stat_result:
        if "/home/joe/" in str(path):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("exporter.disk.host.os.lstat", lstat)
    assert candidates(host).paths == (OLD,)
