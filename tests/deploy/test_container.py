"""The container image on a real engine: built, run and loaded as its page says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import oracle
import pip
import pytest
from conftest import need_engine
from disks import disk
from engine import Engine, engine, tar, tar_of
from looking import Run
from needs import need_program
from packages import index_of
from probe import probe
from pybase import fill_with_python
from shipped import NAME, PAGE, Container, blocks, checkout, running, samples, shell, words

from exporter.commands.common import version

pytestmark = [pytest.mark.engine, pytest.mark.root]

HOST_ROOT = "/var/lib/docker"
WHOLE_HOST, NARROW = (words(text) for text in blocks(PAGE, "docker run"))
WHEELS, BUILD = (
    blocks(PAGE, begins)[0] for begins in ("deploy/container/wheels.sh", "export DOCKER_BUILDKIT=0")
)
DEMO = "hardlink-exporter-demo"
MKFS = ("mkfs.ext4", "-q", "-F")
EXT4 = 65_000
DAC_READ_SEARCH = 1 << 2  # include/uapi/linux/capability.h

OF_MEMORY = {"proc", "tmpfs", "devpts", "mqueue", "sysfs", "cgroup", "cgroup2"}
WRITES = ("write to /etc", "write to /home", "write to /var")
DENIED = {
    "list a folder of root's": "done",
    "write to a control group": "ENOENT",
    "write a kernel setting": "ENOENT",
    "reach the engine's socket": "ENOENT",
    "open the memory device": "ENOENT",
    "make a packet socket": "EPERM",
    "mount": "EPERM",
    "make a namespace": "EPERM",
    "change the root": "EPERM",
    "load a kernel module": "EPERM",
    "set the clock": "EPERM",
}
"""What the one thing that must work, and those that must not, say by either documented command."""

OF_THE_DAEMON = ("_timestamp_seconds", "_duration_seconds", "_events_total", "_overflows_total")
AND_THESE = ("_failed_layers_total", "_watch_active")


@dataclass(frozen=True)
class Built:
    """An engine that built the image, and the archive that `docker save` made of it."""

    engine: Engine
    archive: Path

    def load(self, engine: Engine) -> None:
        """Load the archive on another engine."""
        assert f"Loaded image: {NAME}" in engine.docker("load", "-i", str(self.archive))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Build the image as its page says, on an engine that lives as on a host of its own."""
    need_engine()
    need_program("bash", "ldd", "mkfs.ext4", "unshare")
    folder = tmp_path_factory.mktemp("container")
    fill_with_python(folder / "base")
    source = checkout(folder / "checkout")
    with disk(folder, "4000M", MKFS) as point, engine(point, "overlay", Path(HOST_ROOT)) as host:
        host.import_tree(folder / "base", "hardlink-base")
        shell(host, WHEELS.replace("3.11", f"3.{sys.version_info.minor}"), source)
        shell(host, BUILD, source)
        host.load([hot_layer(folder, 40), *small_layers(3)], "shop:1.4")
        yield Built(host, source / f"{NAME}.tar")


@pytest.fixture
def watched(built: Built) -> Iterator[Container]:
    """Run the image as its page says."""
    with running(built.engine, WHOLE_HOST) as container:
        yield container


def hot_layer(folder: Path, names: int) -> bytes:
    """Pack a tree with one inode of so many names."""
    tree = folder / "hot"
    tree.mkdir()
    (tree / "name0").write_text("hot\n")
    for i in range(1, names):
        os.link(tree / "name0", tree / f"name{i}")
    return tar_of(tree)


def small_layers(count: int) -> list[bytes]:
    return [tar({f"step{i}": b"x"}) for i in range(count)]


def of_the_root(text: str, root: str) -> dict[str, float]:
    """The figures of a root that a scan tells as a daemon does."""
    return {
        name: value
        for name, value in samples(text, root).items()
        if not name.split()[0].endswith(OF_THE_DAEMON + AND_THESE)
    }


def compare(container: Container, run: Run, root: str) -> None:
    """Compare each figure with that of a scan from outside, to the unit."""
    host = str(container.engine.root)

    def inside() -> dict[str, float]:
        return of_the_root(container.get("/metrics"), root)

    def outside() -> dict[str, float]:
        return of_the_root(run("scan", host, "--output", "metrics").stdout, host)

    deadline = time.monotonic() + 60
    while (told := inside()) != (wanted := outside()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert told == wanted
    assert len(told) > 30


def test_the_image_is_one_layer_that_shares_no_base(built: Built) -> None:
    layers, base = (built.engine.inspect(n)["RootFS"]["Layers"] for n in (NAME, "hardlink-base"))
    assert len(layers) == 1
    assert layers != base


def test_the_image_says_what_it_is_and_how_it_runs(built: Built) -> None:
    config = built.engine.inspect(NAME)["Config"]
    labels = {k.rpartition(".")[2]: v for k, v in config["Labels"].items()}
    assert (labels["title"], labels["version"]) == (NAME, version())
    assert (config["Cmd"], config["StopSignal"], config["User"]) == (["serve"], "SIGTERM", "0:0")
    assert list(config["ExposedPorts"]) == ["10650/tcp"]


def test_on_a_host_its_metrics_equal_those_of_a_scan_from_outside(
    watched: Container, run: Run
) -> None:
    compare(watched, run, HOST_ROOT)
    root = watched.engine.root
    told = samples(watched.get("/metrics"), HOST_ROOT)
    wanted = oracle.figures(root, EXT4, os.statvfs(root).f_ffree)
    left = {
        resource: told[f"hardlink_layers_left {labels(resource=resource)}"]
        for resource in ("links", "inodes", "depth")
    }
    assert told[f"hardlink_links_max {labels()}"] == wanted["links_max"] == 160
    assert left["links"] == wanted["links"] == (EXT4 - 160) // 40
    assert left["inodes"] == wanted["by_inodes"]
    assert left["depth"] == oracle.LIMIT_DEPTH - wanted["depth_max"]
    for over, count in wanted["inodes"].items():
        assert told[f"hardlink_inodes {labels(links_over=over)}"] == count


def labels(**more: str) -> list[tuple[str, str]]:
    return sorted({"driver": "overlay", "root": "", **more}.items())


def test_with_the_engines_folder_alone_mounted_the_metrics_are_the_same(
    built: Built, run: Run
) -> None:
    with running(built.engine, NARROW) as container:
        compare(container, run, HOST_ROOT)
        refused = container.python(f"open('/host{HOST_ROOT}/new', 'w')")
        assert "Read-only file system" in refused


def test_where_the_hosts_root_is_not_shared_plain_ro_does(
    built: Built, run: Run, tmp_path: Path
) -> None:
    plain = [word.replace("ro,rslave", "ro") for word in WHOLE_HOST]
    with disk(tmp_path, "2000M", MKFS) as point, engine(point, "overlay") as host:
        built.load(host)
        with running(host, plain, str(host.root)) as container:
            compare(container, run, str(host.root))
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        shared = any(m.split()[4] == "/" and "shared:" in m for m in mounts)
        bind = ("-v", "/:/host:ro,rslave")
        said = host.docker("run", "--rm", *bind, NAME, "--version", check=False)
        assert ("is not a shared or slave mount" in said) == (not shared)


def test_it_has_one_capability_and_read_only_files_and_needs_no_shell(watched: Container) -> None:
    said = watched.python(
        "import glob\n"
        "for path in glob.glob('/proc/[0-9]*/status'):\n"
        "    told = dict(line.split(':', 1) for line in open(path))\n"
        "    print(*(told[k].strip() for k in ('CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp')))\n"
    )
    assert len(said.splitlines()) == 3, said  # the daemon, its worker, and who asks
    assert set(said.splitlines()) == {f"{DAC_READ_SEARCH:016x} {DAC_READ_SEARCH:016x} 1 2"}
    for place in ("/", "/host", "/opt/hardlink-exporter"):
        assert "Read-only file system" in watched.python(f"open('{place}/new', 'w')")
    assert "not found" in watched.engine.docker("exec", NAME, "sh", "-c", "true", check=False)


def tried(container: Container) -> dict[str, str]:
    """What a taken-over exporter could do there."""
    said = container.python(probe("/host", str(container.engine.socket)))
    (container.engine.root / "file").unlink(missing_ok=True)
    told: dict[str, str] = json.loads(said)
    return told


def test_of_the_host_it_can_write_to_what_is_mounted_below_at_most(watched: Container) -> None:
    told = tried(watched)
    major = int(watched.engine.docker("version", "-f", "{{.Server.Version}}").split(".")[0])
    below = "EROFS" if major >= 25 else "done"
    wanted = DENIED | dict.fromkeys(WRITES, "EROFS") | {"write to the root": below}
    assert {name: told[name] for name in wanted} == wanted
    assert told["open a file by handle"] != "EPERM", "the page says so"


def test_with_the_engines_folder_alone_mounted_it_can_write_nowhere(built: Built) -> None:
    with running(built.engine, NARROW) as container:
        told = tried(container)
        mounts = container.python("print(open('/proc/self/mountinfo').read())").splitlines()
    on_disk = [m.split()[5] for m in mounts if m and m.split(" - ")[1].split()[0] not in OF_MEMORY]
    assert len(on_disk) >= 3, "its own files, the engine's folder, and names of the network"
    assert {"ro"} == {options.split(",")[0] for options in on_disk}, "or it could write by handle"
    wanted = DENIED | {"write to /etc": "ENOENT", "write to /var": "EROFS"}
    wanted |= {"write to the root": "EROFS"}
    assert {name: told[name] for name in wanted} == wanted


def test_what_the_command_covers_would_give_it_the_host(built: Built) -> None:
    at = [i for i, word in enumerate(WHOLE_HOST) if word == "--tmpfs"]
    covers = {j for i in at for j in (i, i + 1)}
    bare = [word for i, word in enumerate(WHOLE_HOST) if i not in covers]
    with running(built.engine, bare) as container:
        told = tried(container)
    assert told["reach the engine's socket"] == told["write a kernel setting"] == "done"


def test_an_engine_gives_the_capability_to_no_other_user(built: Built) -> None:
    said = built.engine.docker(
        *("run", "--rm", "--network", "none", "--cap-drop", "ALL", "--cap-add", "DAC_READ_SEARCH"),
        *("--user", "65534:65534", "--entrypoint", "python3", NAME),
        *("-c", "print(open('/proc/self/status').read())"),
    )
    assert f"CapBnd:\t{DAC_READ_SEARCH:016x}" in said
    assert f"CapEff:\t{0:016x}" in said


def test_it_is_healthy_until_it_answers_no_more(built: Built) -> None:
    often = ["--health-interval", "1s", "--health-retries", "1"]
    with running(built.engine, [*WHOLE_HOST[:2], *often, *WHOLE_HOST[2:]]) as container:
        container.await_that(lambda: container.health()["Status"] == "healthy")
        built.engine.docker("kill", "--signal", "STOP", NAME)
        container.await_that(lambda: container.health()["Status"] == "unhealthy")
        assert "no answer from 127.0.0.1" in container.health()["Log"][-1]["Output"]
        built.engine.docker("kill", "--signal", "CONT", NAME)
        container.await_that(lambda: container.health()["Status"] == "healthy")


def test_docker_stop_ends_it_in_order(watched: Container) -> None:
    watched.engine.docker("stop", NAME)
    assert watched.engine.inspect(NAME)["State"]["ExitCode"] == 0
    assert "event=stopped" in watched.engine.docker("logs", NAME)


def test_an_exhausted_host_loads_it_and_is_told_that_no_layer_is_left(
    built: Built, run: Run, tmp_path: Path
) -> None:
    with disk(tmp_path, "2000M", MKFS) as point, engine(point, "overlay", Path(HOST_ROOT)) as host:
        host.load([hot_layer(tmp_path, 2000), *small_layers(31)], "hot:1")
        said = host.build(["FROM hot:1", "COPY new /new"], {"new": "new\n"}, "hot:2")
        assert "too many links" in said
        built.load(host)
        with running(host, WHOLE_HOST) as container:
            compare(container, run, HOST_ROOT)
            told = samples(container.get("/metrics"), HOST_ROOT)
        assert told[f"hardlink_links_max {labels()}"] == 2000 * 32
        assert told[f"hardlink_layers_left {labels(resource='links')}"] == 0
        hot = labels(resource="links", image="hot:1")
        assert told[f"hardlink_image_layers_left {hot}"] == 0


def test_the_demos_image_is_made_of_a_checkout_and_runs_without_a_privilege(
    built: Built, tmp_path: Path
) -> None:
    """As deploy/compose.yaml has it, but with a base and an index of ours in place of a registry and PyPI."""
    source = built.archive.parent
    fill_with_python(tmp_path / "base")
    (library,) = (tmp_path / "base/usr/lib").glob("python*")
    shutil.copytree(Path(pip.__file__).parent, library / "pip")
    (library / "EXTERNALLY-MANAGED").unlink(missing_ok=True)  # Debian's word to its users
    built.engine.import_tree(tmp_path / "base", "base-with-pip")
    words = ("download", "--quiet", "--only-binary=:all:", "--dest", "wheels", "hatchling")
    subprocess.run([sys.executable, "-m", "pip", *words], cwd=tmp_path, check=True)
    wheels = [*(tmp_path / "wheels").iterdir(), *(source / "deploy/wheels").iterdir()]
    with index_of(wheels, tmp_path / "simple") as url:
        built.engine.docker(
            *("build", "--network", "host", "-t", DEMO),
            *("--build-arg", "BASE=base-with-pip", "--build-arg", f"PIP_INDEX_URL={url}"),
            *("-f", str(source / "deploy/compose/Dockerfile"), str(source)),
        )
    command = ["docker", "run", "-d", "--name", NAME, "--read-only", "--cap-drop", "ALL"]
    command += ["--tmpfs", "/tmp", "-p", "0", "--restart", "no", DEMO, "demo"]
    with running(built.engine, command) as container:
        container.await_that(lambda: "hardlink_layers_left{" in container.get("/metrics"))
        assert container.python("import os; print(os.getuid())").strip() == "65534"
