"""Which names a layer's archive spoke of, from the engine's record of it."""

from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.disk import tarsplit
from exporter.disk.files import BrokenFileError
from exporter.disk.tarsplit import OddError, Touched, read_touched


def written(folder: Path, *names: str | bytes) -> Path:
    file = folder / "tar-split.json.gz"
    lines = [entry(name) for name in names]
    lines.append({"type": 2, "payload": "AAAA", "position": 9})
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    file.write_bytes(gzip.compress(text.encode()))
    return file


def entry(name: str | bytes) -> dict[str, object]:
    if isinstance(name, bytes):
        return {"type": 1, "name_raw": base64.b64encode(name).decode(), "position": 1}
    return {"type": 1, "name": name, "payload": None, "position": 1}


def drawn(touched: Touched, above: str = "") -> set[str]:
    """Draw a tree of names: a removed or written one with `!`, an opaque folder with `*`."""
    found = {above + "*"} if touched.opaque else set()
    for name, below in touched.below.items():
        found.add(above + name + "!" * below.other)
        found |= drawn(below, f"{above}{name}/")
    return found


def test_names_lie_as_a_tree(tmp_path: Path) -> None:
    file = written(tmp_path, "a/", "a/b", "./c", "/d//e", ".")
    assert drawn(read_touched(file, 9)) == {"a", "a/b!", "c!", "d", "d/e!"}


def test_whiteouts_name_what_they_remove(tmp_path: Path) -> None:
    file = written(tmp_path, "a/.wh.b", "c/.wh..wh..opq", ".wh.d", ".wh..wh.plnk/1.2")
    assert drawn(read_touched(file, 9)) >= {"a/b!", "c/*", "d!"}


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "a\0b", ".wh.", "a/.wh..", ".wh...", "d/" * 99]
)
def test_odd_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OddError):
        read_touched(written(tmp_path, name), 9)


def test_more_names_than_wanted_are_not_read(tmp_path: Path) -> None:
    file = written(tmp_path, *"abcd")
    assert len(read_touched(file, 4).below) == 4
    with pytest.raises(OddError, match="more than 3 names"):
        read_touched(file, 3)


def test_a_record_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "tar-split.json.gz"
    with gzip.open(file, "wb", compresslevel=1) as out:
        line = b'{"type":2,"payload":"' + b"A" * (1 << 20) + b'"}\n'
        for _ in range(1 + tarsplit.MOST_BYTES // len(line)):
            out.write(line)
    with pytest.raises(OddError, match="too long"):
        read_touched(file, 9)
    file.write_bytes(gzip.compress(b'{"type":2,"payload":"' + b"A" * (8 << 20) + b'"}\n'))
    with pytest.raises(OddError, match="too long"):
        read_touched(file, 9)


def test_a_record_is_never_waited_for_or_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BrokenFileError, match="not a regular file"):
        read_touched(tmp_path / "fifo", 9)
    (tmp_path / "link").symlink_to(written(tmp_path, "a"))
    with pytest.raises(OSError, match="symbolic links"):
        read_touched(tmp_path / "link", 9)


@given(st.binary(max_size=300))
def test_any_bytes_are_names_or_damage(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    for content in (raw, gzip.compress(raw), gzip.compress(b'{"type":1,' + raw)):
        file.write_bytes(content)
        with pytest.raises((BrokenFileError, OddError)):
            read_touched(file, 9)


@given(
    st.lists(
        st.binary(min_size=1, max_size=20).filter(lambda n: not set(n) & set(b"/\0.")),
        min_size=1,
        max_size=5,
    )
)
def test_a_name_of_any_bytes_is_the_name_that_the_disk_has(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes]
) -> None:
    file = written(tmp_path_factory.getbasetemp(), b"/".join(names))
    found = read_touched(file, 9)
    for name in names:
        ((shown, found),) = found.below.items()
        assert os.fsencode(shown) == name
