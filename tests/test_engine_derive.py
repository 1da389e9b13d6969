"""Layers told by their differences, on a real engine: its records, its way to apply archives."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from conftest import need_engine
from engine import Engine, engine, tar_of
from layertar import split_of
from looking import check_derived, image, ledger_of, look_one, names_of
from serving import served

from exporter.looking.scan import LiveRoot
from exporter.model import Reason, Resource, Root

pytestmark = [pytest.mark.engine, pytest.mark.root]

LONG = "long-" * 40
Entry = tuple[str, str, str]


def archive(*entries: Entry, format: int = tarfile.PAX_FORMAT) -> bytes:
    """Pack entries of (name, kind, target); kinds are those of `ls -l`, h is a hard link."""
    kinds = {
        "-": tarfile.REGTYPE,
        "d": tarfile.DIRTYPE,
        "l": tarfile.SYMTYPE,
        "h": tarfile.LNKTYPE,
        "p": tarfile.FIFOTYPE,
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format) as out:
        for name, kind, target in entries:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kinds[kind], target, 0o755
            content = b"content" if kind == "-" else b""
            member.size = len(content)
            member.mtime = 1.5  # a fraction of a second needs a PAX header
            out.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def files(*names: str) -> list[Entry]:
    return [(name, "-", "") for name in names]


HONEST = {
    "delete": archive(*files("usr/.wh.f1", "bin/.wh.link", ".wh.srv")),
    "replace": archive(*files("usr/f2", "bin/link2"), ("fifo", "-", "")),
    "remove and add in one": archive(*files("usr/.wh.f3", "usr/f3")),
    "hard links": archive(
        *files("new"), ("new2", "h", "new"), ("usr/of-the-parent", "h", "usr/f4")
    ),
    "opaque": archive(("opt", "d", ""), *files("opt/.wh..wh..opq", "opt/kept", "opt/f5")),
    "opaque at the end": archive(*files("opt2/f5", "opt2/.wh..wh..opq")),
    "folder over file": archive(("usr/f6", "d", ""), *files("usr/f6/a", "usr/f6/b/c")),
    "and back": archive(*files("usr/f6")),
    "file over folder": archive(*files("etc/deep")),
    "and back again": archive(("etc/deep", "d", ""), *files("etc/deep/x")),
    "long names": archive(("d" * 150, "d", ""), *files(f"{'d' * 150}/{LONG}", "ünï")),
    "long names the old way": archive(
        ("e" * 150, "d", ""), *files(f"{'e' * 150}/{LONG}"), format=tarfile.GNU_FORMAT
    ),
    "bytes that are no text": archive(*files("b\udcff"), format=tarfile.GNU_FORMAT),
    "folders that nobody named": archive(*files("x/y/z/file", "./dot/file", "/slash")),
    "a folder named again": archive(("usr", "d", ""), ("etc", "d", ""), *files("usr/own")),
    "symlinks and fifos": archive(("s", "l", "usr"), ("p", "p", ""), ("usr/f7", "l", "/etc")),
    "nothing": archive(),
}

ODD = {
    "through a symlink of the parent": archive(*files("lib/through")),
    "through one of its own": archive(("own", "l", "etc"), *files("own/through2")),
    "through one that went": archive(("t", "l", "etc"), *files("t/through3", ".wh.t")),
    "all is replaced": archive(*files(".wh..wh..opq", "only")),
}


def base(folder: Path) -> bytes:
    for name in ("bin", "usr", "srv/below", "opt", "opt2", "etc/deep/er"):
        (folder / name).mkdir(parents=True)
    for i in range(200):
        (folder / f"usr/f{i}").write_text("x")
    for name in ("bin/link", "bin/link2", "bin/link3", "opt/gone"):
        (folder / name).hardlink_to(folder / "usr/f0")
    for name in ("srv/below/f", "opt/f1", "opt/f5", "opt2/g", "etc/deep/er/f", "fifo"):
        (folder / name).write_text("x")
    (folder / "lib").symlink_to("usr")
    return tar_of(folder)


def lines(record: bytes) -> list[tuple[str, Any]]:
    """A record's lines, raw bytes that stand together put together."""
    found: list[tuple[str, Any]] = []
    for line in gzip.decompress(record).decode().splitlines():
        entry = json.loads(line)
        entry.pop("position")
        if entry.pop("type") == 1:
            found.append(("file", entry))
        else:
            raw = base64.b64decode(entry["payload"])
            if found and found[-1][0] == "raw":
                raw = found.pop()[1] + raw
            found.append(("raw", raw))
    return found


def records(running: Engine) -> dict[str, bytes]:
    """The engine's record of each layer by the digest of its archive."""
    return {
        (layer / "diff").read_text(): (layer / "tar-split.json.gz").read_bytes()
        for layer in running.root.glob("image/overlay/layerdb/sha256/*")
    }


def test_differences_equal_walks_whatever_an_archive_holds(tmp_path: Path) -> None:
    need_engine()
    (tmp_path / "base").mkdir()
    below = base(tmp_path / "base")
    with engine(tmp_path, "overlay") as running:
        said = running.load([below, *HONEST.values()], "honest:1")
        assert "Loaded image" in said
        assert check_derived(running.root) == 1
        for name, layer in HONEST.items():
            running.load([below, layer], f"{name.replace(' ', '-')}:1")
        some_walked = check_derived(running.root)  # those for which it is cheaper
        assert some_walked <= 3
        running.build(
            ["FROM honest:1", "COPY a /usr/f8", "ENV x=y", "COPY a /a"], {"a": "a"}, "b:1"
        )
        assert check_derived(running.root) == some_walked
        check_damage(running)
        for name, layer in ODD.items():
            tag = f"{name.replace(' ', '-')}:1"
            assert "Loaded image" in running.load([below, layer], tag), name
        check_derived(running.root)  # whatever is in doubt is walked


def record_in_use(running: Engine, root: LiveRoot) -> Path:
    """The record of a layer that was told by it; a small layer may have been walked."""
    layerdb = running.root / "image/overlay/layerdb/sha256"
    folders = {layer.name: (layer / "cache-id").read_text() for layer in layerdb.iterdir()}
    kept = ledger_of(root).kept
    return next(
        layerdb / name / "tar-split.json.gz"
        for name, folder in folders.items()
        if (parent := layerdb / name / "parent").exists()
        and kept[folder].source == folders[parent.read_text().removeprefix("sha256:")]
    )


def check_damage(running: Engine) -> None:
    """See that with one record cut short that layer is walked, and a problem tells its place."""
    root = LiveRoot(Root(str(running.root), running.root))
    root.look(lambda _: None)
    told = names_of(root)
    record = record_in_use(running, root)
    whole = record.read_bytes()
    record.write_bytes(whole[:-9])
    again = LiveRoot(Root(str(running.root), running.root))
    again.look(lambda _: None)
    assert names_of(again) == told
    (problem,) = look_one(running.root).problems
    assert (problem.where, problem.reason) == (str(record), Reason.TAR_SPLIT)
    record.write_bytes(whole)


def test_planted_records_are_those_of_the_engine(tmp_path: Path) -> None:
    need_engine()
    (tmp_path / "base").mkdir()
    layers = [base(tmp_path / "base"), *HONEST.values()]
    with engine(tmp_path, "overlay") as running:
        running.load(layers, "all:1")
        found = records(running)
    assert len(found) == len(layers)
    for layer in layers:
        of_the_engine = found[f"sha256:{hashlib.sha256(layer).hexdigest()}"]
        assert lines(split_of(layer)) == lines(of_the_engine)


MADE_AGAIN = archive(*files(".wh.d"), ("d", "d", ""))


def busy_base(folder: Path) -> bytes:
    """Pack 300 files, and one file with 601 names below `d/`."""
    (folder / "bin").mkdir(parents=True)
    (folder / "d").mkdir()
    for i in range(300):
        (folder / f"bin/f{i}").write_text("x")
    (folder / "d/busy").write_text("x")
    for i in range(600):
        (folder / f"d/busy{i}").hardlink_to(folder / "d/busy")
    return tar_of(folder)


def test_a_scan_finds_the_names_below_a_directory_that_the_layer_above_made_anew(
    tmp_path: Path,
) -> None:
    need_engine()
    base = busy_base(tmp_path / "base")
    with engine(tmp_path, "overlay") as running:
        running.load([base, MADE_AGAIN], "app:1")
        report = look_one(running.root)
        app = image(report, "app:1")
        assert (report.layers_left[Resource.LINKS], report.links_max) == (107, 601)
        assert (app["layers_left"]["links"], app["chain_layers_left"]["links"]) == (64_998, 107)
        assert check_derived(running.root) == 1


def test_a_layer_that_makes_a_directory_anew_has_none_of_its_old_names(tmp_path: Path) -> None:
    need_engine()
    base = busy_base(tmp_path / "base")
    with (
        engine(tmp_path, "overlay") as running,
        served(tmp_path, "--log.level=debug", str(running.root)) as daemon,
    ):
        running.load([base], "base:1")
        daemon.await_that(lambda: "base:1" in daemon.get("/metrics").text)
        running.load([base, MADE_AGAIN], "app:1")
        daemon.await_that(lambda: "app:1" in daemon.get("/metrics").text)
        rows = {row["name"]: row for row in daemon.report()[0]["images"]}
        assert rows["app:1"]["layers_left"]["links"] == 64_998
        assert rows["app:1"]["tightest"]["names"] == 1
        assert rows["base:1"]["layers_left"]["links"] == 107
