"""What deploy/security.md claims: seen in the system calls of a real daemon and a real scan."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import oracle
import pytest
from fuzzing import SIZE, dices
from layertar import RecordedRoot
from looking import as_json
from needs import PATIENCE, need_program
from randomtar import tight_base
from serving import served
from unpacked import random_root

TOP = Path(__file__).parent.parent.parent
PAGE = (TOP / "deploy/security.md").read_text()

CONTENT: Final = "what-a-file-of-an-image-says"

TRACED: Final = "%file,%network,inotify_add_watch,fchmod,fchown,ftruncate,fsetxattr,execve"
"""What names a file, what reaches the network, what changes an open file, what starts a program."""

LOOKING: Final = {
    *("open", "openat", "stat", "lstat", "newfstatat", "statx", "statfs", "readlink", "readlinkat"),
    *("access", "faccessat", "faccessat2", "inotify_add_watch", "getcwd"),
}
"""The system calls that change nothing (an open as its flags say)."""


@dataclass(frozen=True)
class Call:
    """One system call: its name, its words as strace writes them, and whether it failed."""

    name: str
    words: str
    failed: bool

    @property
    def path(self) -> str:
        """The path it names, which may be relative to a descriptor that strace tells the path of."""
        base = re.match(r"(?:AT_FDCWD|-?\d+)<([^>]*)>, ", self.words)
        name = re.search(r'"((?:[^"\\]|\\.)*)"', self.words)
        return os.path.join(base[1] if base else "", name[1] if name else "")

    @property
    def flags(self) -> set[str]:
        return set(re.findall(r"\bO_[A-Z]+", self.words))


def calls(log: Path) -> list[Call]:
    found = []
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"\d+ +(\w+)\((.*)\) += (-?\d+)", line)
        if match:
            found.append(Call(match[1], match[2], match[3] == "-1"))
    return found


def filled_root(path: Path) -> RecordedRoot:
    """Make a root with two images, whose trees hold what should never be opened."""
    root = RecordedRoot(path)

    def fill(tree: Path) -> None:
        (tree / "etc").mkdir()
        for i in range(30):
            (tree / f"etc/file{i}").write_text(CONTENT)
        os.link(tree / "etc/file0", tree / "etc/name0")
        os.mkfifo(tree / "etc/fifo")
        (tree / "etc/link").symlink_to("/etc/shadow")
        (tree / "etc/folder").symlink_to("/etc")

    base = root.layer((), fill)
    image = root.image(base, "base:1")
    root.image(root.layer(base, lambda t: (t / "more").write_text(CONTENT)), "shop:1")
    config = root.image_home / "imagedb/content/sha256" / image[7:]
    told = json.loads(config.read_text())
    config.write_text(json.dumps(told | {"config": {"Env": [f"PASSWORD={CONTENT}"]}}))
    return root


def strace(log: Path) -> tuple[str, ...]:
    """The words that run a program traced, as the same process that would run it untraced."""
    need_program("strace")
    return (
        "strace",
        "-D",
        "-f",
        "-y",
        "-qq",
        "--seccomp-bpf",
        f"--trace={TRACED}",
        f"--output={log}",
    )


def written(log: Path) -> list[Call]:
    """What a program did that has ended; strace ends after it, with its log."""
    deadline = time.monotonic() + PATIENCE
    while any(_has_open(process, log) for process in Path("/proc").glob("[0-9]*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return calls(log)


def _has_open(process: Path, file: Path) -> bool:
    with suppress(OSError):
        return any(os.path.samefile(fd, file) for fd in (process / "fd").iterdir())
    return False


@dataclass(frozen=True)
class Traced:
    """All that a program and its children asked of the kernel, and the root it looked at."""

    root: RecordedRoot
    calls: list[Call]


def traced_serve(root: RecordedRoot, folder: Path) -> Traced:
    """Let a daemon look at a root that grows."""
    log = folder / "strace"
    with served(folder, str(root.path), under=strace(log)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200, 60)
        base = root.layer((), lambda t: (t / "new").write_text(CONTENT))
        root.image(root.layer(base, lambda t: (t / "newer").write_text(CONTENT)), "new:1")
        daemon.await_that(lambda: "new:1" in daemon.get("/metrics").text, 60)
        assert daemon.get("/").status == 200
    return Traced(root, written(log))


def traced_scan(root: RecordedRoot, folder: Path) -> Traced:
    log = folder / "strace"
    words = (*strace(log), sys.executable, "-m", "exporter", "scan", str(root.path))
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    return Traced(root, written(log))


@pytest.fixture(scope="module", params=[traced_serve, traced_scan])
def traced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    folder = tmp_path_factory.mktemp("traced")
    found: Traced = request.param(filled_root(folder / "docker"), folder)
    return found


def test_in_a_tree_only_folders_are_opened_and_no_symlink_is_followed(traced: Traced) -> None:
    home = traced.root.home
    trees = [c for c in traced.calls if re.match(rf"{home}/[0-9a-f]{{64}}/", c.path)]
    opened = [call for call in trees if call.name.startswith("open")]
    assert any(call.path.endswith("/root") for call in opened), "the trees are walked"
    assert [c for c in opened if not {"O_DIRECTORY", "O_NOFOLLOW"} <= c.flags] == []


def test_nothing_of_the_root_is_changed(traced: Traced) -> None:
    below = [call for call in traced.calls if call.path.startswith(f"{traced.root.path}/")]
    assert [c for c in below if c.flags & {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"}] == []
    assert {call.name for call in below} <= LOOKING


def test_it_reaches_out_to_nobody_and_starts_nothing_but_its_worker(traced: Traced) -> None:
    calls = traced.calls
    sent = [c for c in calls if c.name.startswith("send") and not re.search("NULL, 0$", c.words)]
    assert ([c for c in calls if c.name == "connect"], sent) == ([], []), "it only answers"
    started = {call.path for call in calls if call.name == "execve" and not call.failed}
    assert started == {sys.executable}
    assert [c for c in calls if "docker.sock" in c.words or "containerd" in c.words] == []


def test_no_secret_of_an_image_is_told_or_logged(tmp_path: Path) -> None:
    root = filled_root(tmp_path / "docker")
    with served(tmp_path, "--log.level=debug", str(root.path)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        told = [daemon.get(path).text for path in ("/", "/metrics", "/api/v1/report")]
    assert "base:1" in told[0]
    assert CONTENT not in "".join((*told, daemon.log.read_text()))


def test_the_commands_of_the_page_find_nothing(tmp_path: Path) -> None:
    need_program("strace", "bash")
    (commands,) = re.findall(r"<!-- run by: .*?-->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    root = filled_root(tmp_path / "docker")
    log = tmp_path / "trace"
    commands = commands.replace("/tmp/trace", str(log)).replace("/var/lib/docker", str(root.path))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", commands],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": path},
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert f"{root.home}/" in log.read_text()


def test_no_image_hides_that_it_is_tight(tmp_path: Path) -> None:
    """Random archives move, remove and make again what a tight base has; each image is told right."""
    assert "An image can hide from nobody that it is tight" in PAGE
    root = tmp_path / "docker"
    for dice in islice(dices(), 50 * SIZE):
        grown = random_root(root, dice, layers=6, entries=8, base=tight_base)
        told, right = as_json(grown.report), oracle.figures(root, grown.plan.limit, free=0)
        images = {row["id"]: (left(row, ""), left(row, "chain_")) for row in told["images"]}
        tight = {id: (row["links"], row["chain"]) for id, row in right["images"].items()}
        assert images == tight, grown.plan
        assert (left(told, ""), told["links_max"]) == (right["links"], right["links_max"])
        shutil.rmtree(root)


def left(row: dict[str, Any], whose: str) -> int | None:
    """The layers left by links that a row of the JSON report tells."""
    found: int | None = row[f"{whose}layers_left"].get("links")
    return found


def test_the_page_names_tests_and_files_that_are_there() -> None:
    for name in re.findall(r"`(?:tests/)?((?:deploy/)?test_\w+\.py)`", PAGE):
        assert (TOP / "tests" / name).exists() or (TOP / "tests/deploy" / name).exists(), name
    for page in (TOP / "deploy/security.md", TOP / "deploy/systemd.md"):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert (page.parent / target).exists(), target
