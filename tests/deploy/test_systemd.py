"""The unit under a real systemd: every restriction in force, and the daemon at work under them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from booted import Booted, booted
from looking import Run
from needs import need_program, need_root
from probe import probe

from exporter.demo.planted import PlantedRoot

pytestmark = [pytest.mark.root, pytest.mark.tools]

TOP = Path(__file__).parent.parent.parent
UNITS = TOP / "deploy/systemd"
UNIT = (UNITS / "hardlink-exporter.service").read_text()
SERVICE = "hardlink-exporter.service"
DROP_INS = f"/run/systemd/system/{SERVICE}.d"
NAMES: Final = 7

ALLOWED = {"list a folder of root's": "done", "read when the host booted": "done"}
DENIED = {
    "list /root": "nothing",
    "write to the root": "EROFS",
    "write to /etc": "EROFS",
    "write to /home": "EROFS",
    "write to /var": "EROFS",
    "write to a control group": "EROFS",
    "write a kernel setting": "EACCES",
    "reach the engine's socket": "EACCES",
    "make a netlink socket": "EAFNOSUPPORT",
    "make a packet socket": "EAFNOSUPPORT",
    "open a file by handle": "EPERM",
    "mount": "EPERM",
    "make a namespace": "EPERM",
    "change the root": "EPERM",
    "become root": "EPERM",
    "give a file away": "EPERM",
    "make a setuid file": "EPERM",
    "load a kernel module": "EPERM",
    "trace a process": "EPERM",
    "set the clock": "EPERM",
    "signal systemd": "EPERM",
    "see systemd's process": "ENOENT",
    "map memory to write and run": "EPERM",
    "open the memory device": "ENOENT",
}


@dataclass(frozen=True)
class Host:
    """A machine with a systemd and a storage root that only root may enter."""

    systemd: Booted
    root: PlantedRoot

    def grow(self) -> None:
        """Add an image of one layer, as the engine does."""
        top = self.root.layer((), _one_file_of_many_names)
        self.root.image(top, f"image:{self.root.new_id()[:8]}")
        _close(self.root.path)

    def drop_in(self, *lines: str) -> None:
        """Change the unit by these lines, as an operator does."""
        text = "\n".join(("[Service]", *lines, ""))
        self.systemd.run("mkdir", "-p", DROP_INS)
        self.systemd.run("sh", "-c", 'printf %s "$2" >"$1"', "sh", f"{DROP_INS}/test.conf", text)
        self.systemd.systemctl("daemon-reload")

    @property
    def pid(self) -> str:
        return self.systemd.shown(SERVICE, "MainPID")

    def of_process(self, pid: str) -> dict[str, str]:
        """What the kernel says of a process."""
        lines = self.systemd.run("cat", f"/proc/{pid}/status").splitlines()
        return {name: value.strip() for name, _, value in (x.partition(":") for x in lines)}

    @property
    def workers(self) -> list[str]:
        return self.systemd.run("pgrep", "-f", "exporter.daemon.worker", check=False).split()

    def start(self) -> None:
        self.systemd.systemctl("start", SERVICE)
        self.systemd.await_that(lambda: self.systemd.ready)


def _one_file_of_many_names(tree: Path) -> None:
    (tree / "name0").touch()
    for i in range(1, NAMES):
        os.link(tree / "name0", tree / f"name{i}")


def _close(path: Path) -> None:
    """Let nobody but root into any folder, nor read any file."""
    for folder, _, files in os.walk(path):
        os.chmod(folder, 0o700)
        for name in files:
            os.chmod(f"{folder}/{name}", 0o600)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("machine")
    root = PlantedRoot(folder / "docker")
    probing = UNIT.replace("/bin/hardlink-exporter serve", "/bin/python /opt/probe.py")
    probing = probing.replace("Type=notify", "Type=oneshot").replace("Restart=always", "")
    files = {
        **{f"etc/systemd/system/{path.name}": path.read_text() for path in UNITS.iterdir()},
        "etc/systemd/system/probe.service": probing,
        "opt/probe.py": probe("", "/run/docker.sock"),
        "root/secret": "",
        "etc/quick.yml": "scan: {interval: 0.2}\n",
        "etc/web.yml": "http_server_config: {http2: false}\n",
    }
    with booted(folder, files, f"--bind={root.path}:/var/lib/docker") as systemd:
        host = Host(systemd, root)
        host.grow()
        yield host


@pytest.fixture
def host(machine: Host) -> Iterator[Host]:
    """The machine with the service as it ships, not running."""
    yield machine
    machine.systemd.systemctl("stop", SERVICE, "hardlink-exporter.socket")
    machine.systemd.run("rm", "-rf", DROP_INS)
    machine.systemd.systemctl("daemon-reload")
    machine.systemd.systemctl("reset-failed", check=False)


def figures(root: dict[str, Any]) -> dict[str, Any]:
    """What two looks at a root share."""
    lefts = {k: v for k, v in root["layers_left"].items() if k != "inodes"}
    names = sorted(image["name"] for image in root["images"])
    kept = ("up", "driver", "links_limit", "links_max", "layers", "depth_max", "problems")
    return {key: root[key] for key in kept} | {"layers_left": lefts, "images": names}


def test_its_figures_under_all_restrictions_are_those_of_root_without_any(
    host: Host, run: Run
) -> None:
    """One capability is enough: each folder of this root is closed to all but root."""
    host.start()
    (told,) = host.systemd.report()
    (seen,) = json.loads(run("scan", str(host.root.path)).stdout)["roots"]
    assert figures(told) == figures(seen)
    assert (told["up"], told["links_max"], told["problems"]) == (True, NAMES, [])


def test_without_the_capability_there_is_nothing_to_see(host: Host) -> None:
    host.drop_in("AmbientCapabilities=")
    host.start()
    (told,) = host.systemd.report()
    assert not told["up"]


def test_a_closed_folder_without_layers_is_no_root(host: Host) -> None:
    """access(2) would deny it to any user but root, whatever capability that user has."""
    host.systemd.run("mkdir", "-p", "-m", "700", "/opt/empty")
    host.drop_in("BindReadOnlyPaths=/opt/empty:/var/lib/docker")
    host.start()
    assert host.systemd.report() == []
    host.systemd.await_that(
        lambda: host.systemd.shown(SERVICE, "StatusText") == "no storage root was found"
    )


def test_its_watch_sees_a_new_layer_under_all_restrictions(host: Host) -> None:
    host.start()
    assert 'hardlink_watch_active{root="/var/lib/docker"} 1.0' in host.systemd.get("/metrics")
    images = len(host.systemd.report()[0]["images"])
    host.grow()
    host.systemd.await_that(lambda: len(host.systemd.report()[0]["images"]) == images + 1)
    (told,) = host.systemd.report()
    assert told["layers"]["image"] == images + 1


def test_daemon_and_worker_have_one_capability_and_no_way_to_more(host: Host) -> None:
    host.start()
    (worker,) = host.workers
    for pid in (host.pid, worker):
        said = host.of_process(pid)
        only = f"{1 << 2:016x}"  # include/uapi/linux/capability.h: CAP_DAC_READ_SEARCH is 2
        assert {said[f"Cap{which}"] for which in ("Prm", "Eff", "Bnd", "Amb")} == {only}
        assert "0" not in said["Uid"].split()
        assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")


def test_the_worker_is_of_the_lowest_priority_and_the_daemon_a_little_above(host: Host) -> None:
    host.start()
    (worker,) = host.workers
    nice = [host.systemd.run("ps", "-o", "ni=", "-p", pid).strip() for pid in (host.pid, worker)]
    assert nice == ["10", "19"]
    for pid in (host.pid, worker):
        assert host.systemd.run("ionice", "-p", pid).strip() == "idle"
    first_to_go = [
        host.systemd.run("cat", f"/proc/{p}/oom_score_adj").strip() for p in (host.pid, worker)
    ]
    assert first_to_go == ["500", "1000"], (
        "where memory runs out, the worker ends and the daemon stays"
    )


def test_under_the_units_restrictions_only_what_it_needs_can_be_done(host: Host) -> None:
    host.systemd.run("rm", "-f", "/run/docker.sock")
    bind = "import socket; socket.socket(socket.AF_UNIX).bind('/run/docker.sock')"
    host.systemd.run("/opt/interpreter/bin/python3", "-c", f"import os; os.umask(0o117); {bind}")
    host.systemd.systemctl("start", "probe.service")
    said = host.systemd.run("journalctl", "--unit=probe.service", "--output=cat", "--grep=^{")
    assert json.loads(said) == ALLOWED | DENIED


def test_systemd_knows_how_it_is(host: Host) -> None:
    host.start()
    assert host.systemd.shown(SERVICE, "SubState") == "running"
    host.systemd.systemctl("reload", SERVICE)
    assert host.systemd.shown(SERVICE, "SubState") == "running"
    assert "the configuration was read again" in host.systemd.journal()
    told = host.systemd.shown(SERVICE, "StatusText")
    assert told.startswith("/var/lib/docker (overlay): ok, ")
    pid = host.pid
    host.systemd.systemctl("stop", SERVICE)
    assert host.systemd.shown(SERVICE, "Result") == "success"
    assert not Path(f"/proc/{host.systemd.leader}/root/proc/{pid}").exists()


def test_a_daemon_that_hangs_is_ended_and_started_again_by_the_watchdog(host: Host) -> None:
    host.drop_in("WatchdogSec=1", "RestartSec=100ms")
    host.start()
    before = host.pid
    host.systemd.run("kill", f"-{signal.SIGSTOP.value}", before)
    host.systemd.await_that(lambda: host.pid not in (before, "0"))
    host.systemd.await_that(lambda: host.systemd.ready)
    assert int(host.systemd.shown(SERVICE, "NRestarts")) >= 1
    assert "Watchdog timeout" in host.systemd.journal()


def test_a_root_that_is_mounted_later_is_seen(host: Host) -> None:
    """Mounts of the host reach the service's own view of it, below /home too.

    Its configuration is readable by root alone: the capability reads that.
    """
    at = "/home/later"
    words = f"serve --config.file=/etc/quick.yml {at}"
    host.drop_in("ExecStart=", f"ExecStart=/opt/hardlink-exporter/bin/hardlink-exporter {words}")
    host.systemd.run("mkdir", "-p", at)
    host.systemd.run("chmod", "600", "/etc/quick.yml")
    host.start()
    assert not host.systemd.report()[0]["up"]
    host.systemd.run("mount", "--bind", "/var/lib/docker", at)
    try:
        host.systemd.await_that(lambda: host.systemd.report()[0]["up"])
    finally:
        host.systemd.run("umount", at)
    host.systemd.await_that(lambda: not host.systemd.report()[0]["up"])


def test_a_web_configuration_that_only_root_may_read_is_read(host: Host) -> None:
    words = "serve --web.config.file=/etc/web.yml"
    host.drop_in("ExecStart=", f"ExecStart=/opt/hardlink-exporter/bin/hardlink-exporter {words}")
    host.systemd.run("chmod", "600", "/etc/web.yml")
    host.start()


def test_systemd_finds_nothing_wrong_with_the_units(host: Host) -> None:
    for unit in (SERVICE, "hardlink-exporter.socket"):
        said = host.systemd.run("sh", "-c", 'systemd-analyze verify "$1" 2>&1', "sh", unit)
        assert said == ""


def test_systemd_rates_the_unit_at_most_2_0() -> None:
    need_root()
    need_program("systemd-analyze")
    words = ("systemd-analyze", "security", "--offline=yes", "--threshold=20")
    done = subprocess.run(
        [*words, str(UNITS / SERVICE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "Overall exposure level" in done.stdout


def drop_in_of(socket_unit: str) -> list[str]:
    """Take the drop-in out of the socket unit's own words."""
    commented = [line[4:] for line in socket_unit.splitlines() if line.startswith("#   ")]
    return [line for line in commented if not line.startswith("#")]


def test_systemd_can_hold_the_port_and_the_service_needs_no_network(host: Host) -> None:
    """The socket unit and its drop-in: a scrape starts the service, and none is refused meanwhile."""
    text = "\n".join(drop_in_of((UNITS / "hardlink-exporter.socket").read_text()))
    host.drop_in(text)
    host.systemd.systemctl("start", "hardlink-exporter.socket")
    assert host.systemd.shown(SERVICE, "ActiveState") == "inactive"
    assert "hardlink_exporter_build_info" in host.systemd.get("/metrics")
    host.systemd.await_that(lambda: host.systemd.ready)
    assert host.systemd.report()[0]["up"]
    devices = host.systemd.run("cat", f"/proc/{host.pid}/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]
    host.systemd.systemctl("restart", SERVICE)
    assert "hardlink_exporter_build_info" in host.systemd.get("/metrics")
