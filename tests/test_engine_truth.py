"""What is kept stays true beside a real engine that loads archives which move names about."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from conftest import need_engine
from engine import Engine, engine, tar, tar_of
from looking import image, look_one

from exporter.looking.scan import LiveRoot
from exporter.model import Resource, Root

pytestmark = [pytest.mark.engine, pytest.mark.root]

EXT4 = 65_000
NAMES = 3000


def moved(old: str, new: str) -> bytes:
    """Pack a layer that gives a lower file another name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        link = tarfile.TarInfo(new)
        link.type, link.linkname = tarfile.LNKTYPE, old
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo(f".wh.{old}"))
    return packed.getvalue()


def named_often(file: str, prefix: str) -> bytes:
    """Pack a layer that gives a lower file many further names."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for i in range(NAMES):
            link = tarfile.TarInfo(f"{prefix}-{i:04}")
            link.type, link.linkname = tarfile.LNKTYPE, file
            archive.addfile(link)
    return packed.getvalue()


def load(running: Engine, layers: list[bytes], tag: str) -> None:
    said = running.load(layers, tag)
    assert "Loaded image" in said, said


def test_a_file_that_a_loaded_layer_renamed_is_asked_by_its_old_name_when_that_layer_is_gone(
    tmp_path: Path,
) -> None:
    need_engine()
    tree = tmp_path / "base"
    tree.mkdir()
    for i in range(20):
        (tree / f"f{i:02}").write_text(str(i))
    base = tar_of(tree)
    with engine(tmp_path, "overlay") as running:
        live = LiveRoot(Root(str(running.root), running.root))
        load(running, [base, moved("f05", "a05")], "top:1")
        live.look(lambda _: None)
        load(running, [base], "base:1")
        running.docker("rmi", "top:1")
        live.look(lambda _: None)
        links = 1
        while (EXT4 - links) // (NAMES + 1) > 5:
            links += NAMES + 1
            load(running, [base, named_often("f05", f"n{links}")], f"n{links}:1")
            (report,) = live.look(lambda _: None)
            assert report.links_max == links
            assert report.layers_left[Resource.LINKS] == (EXT4 - links) // (NAMES + 1)
        (report,) = live.look(lambda _: None)
        assert report.layers_left[Resource.LINKS] == 5
        assert (
            image(report, "base:1")["tightest"]
            == image(look_one(running.root), "base:1")["tightest"]
        )
        check_that_so_many_fit(running, base, f"n{links}", 5)


def check_that_so_many_fit(running: Engine, base: bytes, name: str, fit: int) -> None:
    """Stack layers on the layer with most names until the engine refuses one."""
    own = [tar({f"own{i}": b"x"}) for i in range(fit)]
    layers = [base, named_often("f05", name), *own]
    load(running, layers, "full:1")
    said = running.load([*layers, tar({"one-more": b"x"})], "too-full:1")
    assert "too many links" in said
