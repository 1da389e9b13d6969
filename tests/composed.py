"""The services of deploy/compose.yaml without an engine: Debian's own programs, the very same files.

One network of their own, as compose gives them, where their names lead to one another; each file
that a service mounts lies where the service expects it; each command is the service's own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from ending import ended
from needs import need_program, need_root

COMPOSE: Final = Path(__file__).parent.parent / "deploy/compose.yaml"

PROGRAMS: Final[Mapping[str, Sequence[str]]] = {
    "hardlink-exporter": (sys.executable, "-m", "exporter"),
    "prometheus": ("prometheus",),
    "alertmanager": ("prometheus-alertmanager",),
    "chat": (),
}
"""What runs a service here: Debian's program in the place of the image's."""

_SETTING: Final = """
set -e
busybox ip link set lo up
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" /etc
printf '%s' "$2" >/etc/hosts
shift 2
while [ $# -gt 0 ]; do
  mkdir -p "${2%/*}"
  touch "$2"
  mount --bind -o ro "$1" "$2"
  shift 2
done
echo ready
exec sleep infinity
"""
"""A layer of memory over /etc, the names of the services, and the files that they mount."""


@dataclass(frozen=True)
class Composed:
    """The running services. `holder` is a process in their namespaces."""

    services: Mapping[str, Any]
    holder: int
    folder: Path

    def inside(self, *words: str) -> list[str]:
        return ["nsenter", f"--target={self.holder}", "--net", "--mount", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program beside the services."""
        return subprocess.run(
            self.inside(*words), capture_output=True, text=True, timeout=60, check=False
        )

    def ask(self, url: str) -> Any:
        """What one of them answers; None if it does not."""
        said = self.run("busybox", "wget", "-q", "-O", "-", url)
        return json.loads(said.stdout) if said.returncode == 0 else None

    def query(self, promql: str) -> list[dict[str, Any]]:
        """The answer of Prometheus to a query."""
        asked = urllib.parse.urlencode({"query": promql})
        answer = self.ask(f"http://prometheus:9090/api/v1/query?{asked}")
        found: list[dict[str, Any]] = answer["data"]["result"] if answer else []
        return found

    def healthy(self, service: str) -> bool:
        """Run a service's own health check, with the wget that its image has."""
        (kind, *words) = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.run("busybox", *words).returncode == 0

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text()

    def await_that(self, what: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            logs = "\n".join(log.read_text()[-1500:] for log in self.folder.glob("*.log"))
            assert time.monotonic() < deadline, logs
            time.sleep(0.1)


@contextmanager
def composed(folder: Path) -> Iterator[Composed]:
    """Run all services but Grafana until the block ends."""
    need_root()
    need_program("unshare", "nsenter", "busybox", *(p[0] for p in PROGRAMS.values() if p))
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    hosts = "".join(f"127.0.0.1 {name}\n" for name in ("localhost", *services))
    point = folder / "etc"
    point.mkdir()
    files = [word for name in PROGRAMS for pair in _files(services[name]) for word in pair]
    words = ["unshare", "--net", "--mount", "sh", "-c", _SETTING, "sh", str(point), hosts, *files]
    with ExitStack() as running:
        holder = running.enter_context(ended(subprocess.Popen(words, stdout=subprocess.PIPE)))
        assert holder.stdout is not None
        with holder.stdout as said:
            assert said.readline() == b"ready\n"
        found = Composed(services, holder.pid, folder)
        for name in PROGRAMS:
            log = running.enter_context((folder / f"{name}.log").open("wb"))
            started = subprocess.Popen(
                found.inside(*_command(name, services[name], folder)), stdout=log, stderr=log
            )
            running.enter_context(ended(started))
        yield found


def _files(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a service mounts and where, as far as it lies in /etc."""
    for volume in service.get("volumes", ()):
        source, target, mode = volume.split(":")
        assert mode == "ro"
        if target.startswith("/etc/"):
            yield str((COMPOSE.parent / source).resolve(strict=True)), target


def _command(name: str, service: Mapping[str, Any], folder: Path) -> list[str]:
    """The service's command, in its own folder, with Debian's program in the image's place.

    What it keeps in memory at some path, and its own script, lie in `folder`.
    """
    words = [*PROGRAMS[name], *service["command"]]
    if not PROGRAMS[name]:
        script = service["volumes"][0].split(":")[0]
        words = [sys.executable, str(COMPOSE.parent / script)]
    for kept in service.get("tmpfs", ()):
        path = kept.partition(":")[0]
        words = [word.replace(f"={path}", f"={folder}{path}") for word in words]
    go = 'cd "$1" && shift && exec "$@"'
    return ["sh", "-c", go, "sh", service.get("working_dir", "/"), *words]
