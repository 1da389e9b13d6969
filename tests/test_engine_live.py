"""A daemon beside a real engine that builds, tags, runs and removes: its figures stay exact."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import oracle
import pytest
from conftest import need_engine
from engine import BUSYBOX, Engine, engine, tar, tar_of
from looking import as_json, ledger_of, look_one
from serving import Served, served

from exporter.looking.scan import LiveRoot
from exporter.model import Root

pytestmark = [pytest.mark.engine, pytest.mark.root]

SECONDS = 120
EXT4 = 65_000


class User:
    """Somebody who uses the engine at random. `said` is a log of what was done."""

    def __init__(self, running: Engine, folder: Path, seed: int) -> None:
        self.engine = running
        self.dice = random.Random(seed)  # noqa: S311  (a game of dice, no secret)
        self.images: list[str] = []
        self.containers: list[str] = []
        self.made = 0
        self.said: list[str] = []
        base = folder / "base"
        (base / "bin").mkdir(parents=True)
        shutil.copy(BUSYBOX, base / "bin/busybox")
        for i in range(1, 40):
            os.link(base / "bin/busybox", base / f"bin/applet{i:02}")
        self.base = tar_of(base)
        self.engine.load([self.base], "base:1")
        self.images.append("base:1")

    def act(self) -> None:
        act = self.dice.choice(
            [self.build, self.build, self.tag, self.rmi, self.run, self.rm, self.commit, self.load]
        )
        self.said.append(act.__name__)
        act()

    def new_tag(self) -> str:
        self.made += 1
        return f"made:{self.made}"

    def build(self) -> None:
        tag = self.new_tag()
        steps = ["COPY file /file", "ENV A=1", 'RUN ["/bin/busybox", "rm", "/bin/applet07"]']
        steps += [f"COPY file /file{self.made}", "LABEL b=2"]
        lines = [f"FROM {self.dice.choice(self.images)}", *self.dice.sample(steps, 2)]
        # Of another size each time: the engine takes a file of the same size and time for the
        # same, and a COPY that changes nothing makes a layer that the next empty step finds.
        said = self.engine.build(lines, {"file": "x" * self.made}, tag)
        if "Successfully tagged" in said:  # removing a file that is gone fails, and that is fine
            self.images.append(tag)

    def tag(self) -> None:
        tag = self.new_tag()
        self.engine.docker("tag", self.dice.choice(self.images), tag)
        self.images.append(tag)

    def rmi(self) -> None:
        if len(self.images) > 1:
            tag = self.images.pop(self.dice.randrange(1, len(self.images)))
            self.engine.docker("rmi", "-f", tag, check=False)

    def run(self) -> None:
        words = ("run", "-d", "--network", "none", self.dice.choice(self.images))
        said = self.engine.docker(*words, "/bin/busybox", "sleep", "600", check=False)
        if len(said.split()) == 1:
            self.containers.append(said.strip())

    def rm(self) -> None:
        if self.containers:
            self.engine.docker("rm", "-f", self.containers.pop())

    def commit(self) -> None:
        if self.containers:
            tag = self.new_tag()
            self.engine.docker("commit", self.containers[-1], tag)
            self.images.append(tag)

    def load(self) -> None:
        tag = self.new_tag()
        count = self.dice.randrange(1, 4)
        layers = [tar({f"l{self.made}-{i}": b"x"}) for i in range(count)]
        self.engine.load([self.base, *layers], tag)
        self.images.append(tag)


def build_again(running: Engine) -> None:
    """Build an image without the cache, with the same outcome each time."""
    files = {"Dockerfile": b"FROM base:1\nCOPY file /file\nENV A=1\n", "file": b"x"}
    words = ("build", "--no-cache", "-t", "again:1", "-")
    assert "Successfully tagged" in running.docker(*words, stdin=tar(files))


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """Leave out what two looks cannot share: times, and the whole disk's free inodes."""
    kept = {k: v for k, v in report.items() if k not in ("scan", "layers_left")}
    kept["links"] = report["layers_left"].get("links")
    kept["images"] = [
        row
        | {"layers_left": row["layers_left"].get("links")}
        | {"chain_layers_left": (row["chain_layers_left"] or {}).get("links")}
        for row in report["images"]
    ]
    return kept


def check_when_quiet(daemon: Served, beside: LiveRoot, root: Path) -> None:
    """See the daemon's figures become those of a fresh scan, without any timer, and see them be right.

    What the daemon's worker does is done `beside` it too, so that its walks can be counted.
    """
    fresh = figures(as_json(look_one(root)))
    (kept,) = beside.look(lambda _: None)
    assert figures(as_json(kept)) == fresh
    assert max(ledger_of(beside).walked.values(), default=0) <= 1
    daemon.await_that(
        lambda: figures(daemon.report()[0]) == fresh, seconds=6
    )  # 2 s, and the noise of the machine
    wanted = oracle.figures(root, EXT4, 0)
    assert (fresh["links"], fresh["links_max"]) == (wanted["links"], wanted["links_max"])
    assert fresh["inodes"] == wanted["inodes"]


def test_after_each_quiet_moment_the_daemon_equals_a_fresh_scan_and_a_brute_force_count(
    tmp_path: Path,
) -> None:
    need_engine()
    seed = random.randrange(1 << 32)  # noqa: S311  (told when it fails)
    (tmp_path / "config.yml").write_text("scan: {interval: 3600}\n")
    config = f"--config.file={tmp_path / 'config.yml'}"
    with engine(tmp_path, "overlay") as running:
        user = User(running, tmp_path, seed)
        with served(tmp_path, config, str(running.root)) as daemon:
            daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
            beside = LiveRoot(Root(str(running.root), running.root))
            try:
                deadline = time.monotonic() + SECONDS
                while time.monotonic() < deadline:
                    for _ in range(user.dice.randrange(1, 4)):
                        user.act()
                        beside.look(lambda _: None)
                    check_when_quiet(daemon, beside, running.root)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, after {user.said}: {error}") from error
            assert daemon.metric("hardlink_watch_active") == 1
            assert daemon.metric("hardlink_watch_overflows_total") == 0
            assert daemon.metric("hardlink_failed_layers_total") == 0
            for container in user.containers:
                running.docker("rm", "-f", container)


def test_a_layer_that_is_built_again_though_it_existed_raises_no_false_alarm(
    tmp_path: Path,
) -> None:
    need_engine()
    (tmp_path / "config.yml").write_text("scan: {interval: 3600}\n")
    config = f"--config.file={tmp_path / 'config.yml'}"
    with engine(tmp_path, "overlay") as running:
        running.load([tar({"base": b"x"})], "base:1")
        build_again(running)
        with served(tmp_path, config, str(running.root)) as daemon:
            daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
            before = figures(daemon.report()[0])
            build_again(running)
            daemon.await_that(lambda: daemon.metric("hardlink_failed_layers_total"))
            assert daemon.metric("hardlink_failed_layers_total") == 1  # as its HELP says
            time.sleep(1)
            after = figures(daemon.report()[0])
            same = ("links_max", "layers", "links", "depth_max", "problems", "inodes")
            assert [after[key] for key in same] == [before[key] for key in same]
            assert (after["problems"], daemon.metric("hardlink_scan_coverage_ratio")) == ([], 1)
            assert after["links"] > 20, "the alert on layers given up needs few layers left"
