"""A real Docker Engine for tests: started on a folder of its own, ended by its own pid."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ending import end

DOCKER = "/usr/bin/docker"
DOCKERD = "/usr/sbin/dockerd"
BUSYBOX = Path("/bin/busybox")

Fill = Callable[[Path], None]


@dataclass(frozen=True)
class Engine:
    """A running engine. `root` is its data-root."""

    root: Path
    socket: Path

    def docker(self, *words: str, stdin: bytes = b"", check: bool = True) -> str:
        """Run one docker command and give all that it printed."""
        done = subprocess.run(
            [DOCKER, *words],
            env={"DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0", "HOME": "/root"},
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = done.stdout.decode()
        if check and done.returncode:
            raise AssertionError(f"docker {' '.join(words)} failed: {said}")
        return said

    def inspect(self, name: str) -> dict[str, Any]:
        """What the engine knows of a container or an image."""
        found: dict[str, Any] = json.loads(self.docker("inspect", name))[0]
        return found

    def import_tree(self, tree: Path, tag: str) -> None:
        """Make a base image of a folder, its hard links kept."""
        self.docker("import", "-", tag, stdin=tar_of(tree))

    def build(self, lines: Sequence[str], files: dict[str, str], tag: str) -> str:
        """Build a Dockerfile whose context holds these files; give what was said, done or failed."""
        context = {"Dockerfile": "\n".join(lines) + "\n", **files}
        packed = tar({name: text.encode() for name, text in context.items()})
        return self.docker("build", "-t", tag, "-", stdin=packed, check=False)

    def load(self, layers: Sequence[bytes], tag: str) -> str:
        """Load an image made of these layer archives, base first."""
        return self.docker("load", stdin=image_archive(layers, tag), check=False)


_AS_ON_A_HOST = 'mount --make-rshared / && mount --bind "$0" "$1" && shift && exec "$@"'


@contextmanager
def engine(folder: Path, driver: str, at: Path | None = None) -> Iterator[Engine]:
    """Run an engine whose data-root is below `folder` until the block ends.

    With `at` it lives as on a host that systemd started: in a mount namespace of its own, where
    `/` is shared, it has its data-root at that path. Its sockets are below /run, as on a host.
    """
    root = folder / "data"
    namespace: list[str] = []
    made = False
    if at is not None:
        root.mkdir()
        made = not at.exists()
        at.mkdir(parents=True, exist_ok=True)
        namespace = ["unshare", "--mount", "--propagation", "slave"]
        namespace += ["sh", "-c", _AS_ON_A_HOST, str(root), str(at)]
    state = Path(tempfile.mkdtemp(prefix="engine-", dir="/run"))
    socket = state / "s"
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(*namespace, DOCKERD, "--storage-driver", driver, "--data-root", str(at or root)),
                *("--exec-root", str(state), "-H", f"unix://{socket}", "-p", str(state / "pid")),
                *("--bridge=none", "--iptables=false", "--ip6tables=false"),
                *("--ip-forward=false", "--ip-masq=false"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        running = Engine(root, socket)
        _await(running, process, folder / "log")
        yield running
    finally:
        end(process)
        _unmount_below(folder)
        _unmount_below(state)
        if at is not None and made:
            at.rmdir()
        shutil.rmtree(state, ignore_errors=True)


def _await(running: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if "Server Version" in running.docker("info", check=False):
            return
        time.sleep(0.1)
    raise AssertionError(f"the engine did not start: {log.read_text()[-2000:]}")


def _unmount_below(folder: Path) -> None:
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for point in sorted(points, reverse=True):
        if point.startswith(f"{folder}/"):
            with suppress(subprocess.CalledProcessError):
                subprocess.run(["umount", "-l", point], check=True, capture_output=True)


def tar(files: dict[str, bytes]) -> bytes:
    """Pack regular files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            entry.mode = 0o755
            archive.addfile(entry, io.BytesIO(text))
    return packed.getvalue()


def tar_of(tree: Path) -> bytes:
    """Pack a folder with its hard links and symlinks."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in sorted(os.listdir(tree)):
            archive.add(tree / name, name)
    return packed.getvalue()


def image_archive(layers: Sequence[bytes], tag: str) -> bytes:
    """Make what `docker load` reads: a configuration, a manifest and the layers."""
    diffs = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": diffs},
            "history": [{"created_by": "test"} for _ in layers],
        }
    ).encode()
    names = [f"{i:03}/layer.tar" for i in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": names}]
    return tar(
        {
            "config.json": config,
            "manifest.json": json.dumps(manifest).encode(),
            **dict(zip(names, layers, strict=True)),
        }
    )
