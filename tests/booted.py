"""A real systemd for tests: this machine's own, booted in a container of namespaces.

Its root is this machine's, with a layer of memory over it; it has a network of its own, so that
a unit's port is its own too. Nothing is started in it but what a test starts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ending import end
from needs import PATIENCE, need_program, need_root

import exporter

HOME: Final = "opt/hardlink-exporter"
"""Where the unit looks for its virtual environment."""

_BARE: Final = "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\n"

_LIBRARIES: Final = "[Manager]\nDefaultEnvironment=LD_LIBRARY_PATH=/opt/interpreter/lib\n"
"""An interpreter that was moved finds its own library."""

_BOOT: Final = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
cp -a "$2/." "$1/upper"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  if [ -e "$hierarchy/$3/cgroup.procs" ]; then echo $$ >"$hierarchy/$3/cgroup.procs"; fi
done
root=$1
shift 3
exec systemd-nspawn --register=no --keep-unit --quiet --private-network \
  --directory="$root/root" --machine=test --link-journal=no "$@" \
  --boot systemd.unit=bare.target systemd.show_status=no
"""


@dataclass(frozen=True)
class Booted:
    """A running systemd. `leader` is its process, as we see it; `log` is its console."""

    leader: int
    log: Path

    def run(self, *words: str, check: bool = True) -> str:
        """Run a program beside it."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.leader), "--all", *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = f"{words}: {done.stdout}{done.stderr}"
        assert not check or done.returncode == 0, said + self.journal()[-3000:]
        return done.stdout

    def systemctl(self, *words: str, check: bool = True) -> str:
        return self.run("systemctl", *words, check=check)

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", "--value", "--property", name, unit).strip()

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", check=False)

    def get(self, path: str) -> str:
        """Ask the daemon, on the unit's own port."""
        return self.run("curl", "-sS", "--max-time", "10", f"http://127.0.0.1:10650{path}")

    @property
    def ready(self) -> bool:
        """Whether the daemon answers, and has its first answer of every root."""
        url = "http://127.0.0.1:10650/-/ready"
        return self.run("curl", "-sS", "--max-time", "10", url, check=False) == "ready\n"

    def report(self) -> list[dict[str, Any]]:
        roots: list[dict[str, Any]] = json.loads(self.get("/api/v1/report"))["roots"]
        return roots

    def await_that(self, what: Callable[[], object], seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, self.journal()[-4000:]
            time.sleep(0.05)


@contextmanager
def booted(folder: Path, files: dict[str, str], *binds: str) -> Iterator[Booted]:
    """Boot it. `files` are written over this machine's, as it sees them; `binds` are its mounts."""
    need_root()
    need_program("systemd-nspawn", "nsenter", "curl")
    prepared, point, log = folder / "prepared", folder / "boot", folder / "console"
    point.mkdir()
    _prepare(prepared, files)
    name = f"hardlink-exporter-test-{os.getpid()}-{time.monotonic_ns()}"
    groups = _groups(name)
    words = ["unshare", "--mount", "sh", "-c", _BOOT, "sh", str(point), str(prepared), name]
    with log.open("wb") as console:
        process = subprocess.Popen(
            [*words, *_code(), *binds], stdin=subprocess.DEVNULL, stdout=console, stderr=console
        )
    try:
        yield _await(process, log)
    finally:
        end(process)
        for group in groups:
            _remove(group)


def _prepare(prepared: Path, files: dict[str, str]) -> None:
    """Lay out a virtual environment by hand, and what else is to differ from this machine."""
    home = prepared / HOME
    (home / "bin").mkdir(parents=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (home / "bin/python").symlink_to(f"/opt/interpreter/bin/{version}")
    (home / "pyvenv.cfg").write_text("home = /opt/interpreter/bin\n")
    packages = home / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "code.pth").write_text("/opt/code\n/opt/packages\n")
    script = home / "bin/hardlink-exporter"
    script.write_text(f"#!/{HOME}/bin/python\nfrom exporter.cli import main\nmain()\n")
    script.chmod(0o755)
    for made in ("opt/interpreter", "opt/code", "opt/packages", "var/lib/docker"):
        (prepared / made).mkdir(parents=True, exist_ok=True)
    defaults = {
        "etc/systemd/system/bare.target": _BARE,
        "etc/systemd/system.conf.d/test.conf": _LIBRARIES,
        "etc/fstab": "",
    }
    for path, text in (defaults | files).items():
        (prepared / path).parent.mkdir(parents=True, exist_ok=True)
        (prepared / path).write_text(text)


def _code() -> list[str]:
    """Show it our interpreter and our packages, wherever these are."""
    shown = {
        "interpreter": sys.base_prefix,
        "code": str(Path(exporter.__file__).parent.parent),
        "packages": sysconfig.get_path("purelib"),
    }
    return [f"--bind-ro={path}:/opt/{name}" for name, path in shown.items()]


def _await(process: subprocess.Popen[bytes], log: Path) -> Booted:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for child in children.read_text().split():
            running = Booted(int(child), log)
            if running.systemctl("is-active", "bare.target", check=False).strip() == "active":
                return running
        time.sleep(0.05)
    raise AssertionError(f"systemd did not start: {log.read_text(errors='replace')[-3000:]}")


def _groups(name: str) -> list[Path]:
    """Make it control groups of its own, in the hierarchies that systemd uses."""
    made = []
    for hierarchy in ("", "systemd", "unified"):
        folder = Path("/sys/fs/cgroup") / hierarchy
        if (folder / "cgroup.procs").exists():
            (folder / name).mkdir()
            made.append(folder / name)
    return made


def _remove(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        os.rmdir(folder)
