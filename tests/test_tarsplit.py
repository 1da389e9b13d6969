"""Which names a layer's archive mentions, from the engine's record of it."""

from __future__ import annotations

import base64
import gzip
import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tarball import (
    CHARACTER,
    DIRECTORY,
    FIFO,
    GLOBAL,
    LINK,
    OLD_REGULAR,
    REGULAR,
    SYMLINK,
    Entry,
    record_of,
)

from exporter.disk import tarsplit
from exporter.disk.files import BrokenFileError
from exporter.disk.tarheader import MOST_PARTS, MOST_RAW, DoubtError, Headers
from exporter.disk.tarsplit import Touched, read_touched


def recorded(folder: Path, *entries: Entry) -> Path:
    """Write the record of an archive."""
    file = folder / "tar-split.json.gz"
    file.write_bytes(record_of(entries))
    return file


def written(folder: Path, *names: str | bytes) -> Path:
    """Write the record of an archive of these names; those that end in a slash are directories."""
    raw = (os.fsencode(name) for name in names)
    kinds = (Entry(name, DIRECTORY if name.endswith(b"/") else REGULAR) for name in raw)
    return recorded(folder, *kinds)


def drawn(touched: Touched, above: str = "") -> set[str]:
    """Draw a tree of names: a replaced one with `!`, a link with `@`, an opaque folder with `*`."""
    found = {above + "*"} if touched.opaque else set()
    for name, below in touched.below.items():
        found.add(above + name + "!" * below.replaced + "@" * below.linked)
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
    with pytest.raises(DoubtError):
        read_touched(written(tmp_path, name), 9)


@pytest.mark.parametrize("slash", [b"", b"/"])
@pytest.mark.parametrize("extended", ["", "pax", "gnu"])
def test_a_trailing_slash_tells_no_type(tmp_path: Path, slash: bytes, extended: str) -> None:
    entries = [
        Entry(b"file" + slash, REGULAR, content=b"x", extended=extended),
        Entry(b"symlink" + slash, SYMLINK, b"file", extended=extended),
        Entry(b"link" + slash, LINK, b"file", extended=extended),
        Entry(b"fifo" + slash, FIFO, extended=extended),
        Entry(b"device" + slash, CHARACTER, extended=extended),
        Entry(b"folder" + slash, DIRECTORY, extended=extended),
    ]
    touched = read_touched(recorded(tmp_path, *entries), 9)
    assert drawn(touched) == {"file!", "symlink!@", "link!@", "fifo!", "device!", "folder"}


def test_of_old_a_trailing_slash_made_a_directory(tmp_path: Path) -> None:
    old = recorded(tmp_path, Entry(b"a", OLD_REGULAR, content=b"x"), Entry(b"b/", OLD_REGULAR))
    assert drawn(read_touched(old, 9)) == {"a!", "b"}


def test_an_entry_without_a_name_is_the_tree_itself(tmp_path: Path) -> None:
    assert read_touched(recorded(tmp_path, Entry(b"", DIRECTORY)), 9) == Touched()


def test_names_that_are_no_text_are_the_names_on_the_disk(tmp_path: Path) -> None:
    touched = read_touched(recorded(tmp_path, Entry(b"\xff"), Entry("\u00fc<&>".encode())), 9)
    assert [os.fsencode(name) for name in touched.below] == [b"\xff", "\u00fc<&>".encode()]


@pytest.mark.parametrize(
    "entry",
    [
        Entry(b"d/", GLOBAL),
        Entry(b"d/", GLOBAL, b"a comment"),
        Entry(b"d/", GLOBAL, b"c" * 600),
        Entry(b"d/", GLOBAL, extended="pax"),
        Entry(b"d", b"7"),
        Entry(b"d", b"S"),
    ],
    ids=repr,
)
def test_an_entry_that_makes_no_file_is_in_doubt(tmp_path: Path, entry: Entry) -> None:
    for before in (Entry(b"a/", DIRECTORY), Entry(b"a", content=b"x")):
        with pytest.raises(DoubtError):
            read_touched(recorded(tmp_path, before, entry, Entry(b"d/x")), 9)


@pytest.mark.parametrize("size", [1, 511, 512, 513])
def test_types_are_told_behind_contents_of_any_length(tmp_path: Path, size: int) -> None:
    content, lie = Entry(b"a", content=bytes(size)), Entry(b"b", SYMLINK, b"a", size=size)
    touched = read_touched(recorded(tmp_path, content, lie, Entry(b"c/", DIRECTORY)), 9)
    assert drawn(touched) == {"a!", "b!@", "c"}


def test_a_sparse_file_is_in_doubt(tmp_path: Path) -> None:
    sparse = Entry(b"a\n20 GNU.sparse.major=1", extended="pax")
    with pytest.raises(DoubtError, match="sparse"):
        read_touched(recorded(tmp_path, sparse), 9)


def test_headers_that_cannot_be_told_apart_are_in_doubt(tmp_path: Path) -> None:
    lines = gzip.decompress(record_of([Entry(b"a"), Entry(b"b/", DIRECTORY)])).splitlines()
    file = tmp_path / "tar-split.json.gz"
    for left_out in (0, 2):
        file.write_bytes(
            gzip.compress(b"\n".join(lines[:left_out] + lines[left_out + 1 :]) + b"\n")
        )
        with pytest.raises(DoubtError, match="told apart"):
            read_touched(file, 9)


def test_more_names_than_wanted_are_not_read(tmp_path: Path) -> None:
    file = written(tmp_path, *"abcd")
    assert len(read_touched(file, 4).below) == 4
    with pytest.raises(DoubtError, match="more than 3 names"):
        read_touched(file, 3)


def test_a_record_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "tar-split.json.gz"
    line = b'{"type":2,"payload":"' + b"A" * (1 << 20) + b'"}\n'
    with gzip.open(file, "wb", compresslevel=1) as out:
        for _ in range(6):
            out.write(line)
    with pytest.raises(DoubtError, match="headers that are too long"):
        read_touched(file, 9)
    file.write_bytes(gzip.compress(b'{"type":2,"payload":"' + b"A" * (8 << 20) + b'"}\n'))
    with pytest.raises(DoubtError, match="too long"):
        read_touched(file, 9)
    header, entry = gzip.decompress(record_of([Entry(b"a")])).splitlines(keepends=True)[:2]
    named = json.loads(entry) | {"name": "a" * (1 << 20)}
    entry = json.dumps(named, separators=(",", ":")).encode() + b"\n"
    with gzip.open(file, "wb", compresslevel=1) as out:
        for _ in range(1 + tarsplit.MOST_BYTES // len(entry)):
            out.write(header + entry)
    with pytest.raises(DoubtError, match="it is too long"):
        read_touched(file, 1000)


def written_in_pieces(folder: Path, empty: int, end: bytes = b"") -> Path:
    """Write a record of two entries: the second one's header is in pieces, among empty lines."""
    first, a, second, b, *_ = gzip.decompress(
        record_of([Entry(b"a"), Entry(b"d", SYMLINK, b"a")])
    ).splitlines(keepends=True)
    payload = json.loads(second)["payload"].encode()
    pieces = [payload[i : i + 4] for i in range(0, len(payload), 4)]
    lines = [b'{"type":2,"payload":"%s"}\n' % text for text in [*[b""] * empty, *pieces]]
    file = folder / "tar-split.json.gz"
    file.write_bytes(gzip.compress(b"".join([first, a, *lines, b, end]), 1))
    return file


PIECES = 171
"""Pieces of three bytes in a header of 512."""


def test_headers_in_many_pieces_are_read(tmp_path: Path) -> None:
    file = written_in_pieces(tmp_path, MOST_PARTS - PIECES)
    assert drawn(read_touched(file, 9)) == {"a!", "d!@"}


def test_headers_in_too_many_pieces_are_not_read_to_their_end(tmp_path: Path) -> None:
    file = written_in_pieces(tmp_path, MOST_PARTS - PIECES + 1, end=b"no entry\n")
    with pytest.raises(DoubtError, match="headers that are too long"):
        read_touched(file, 9)


def test_headers_of_many_entries_may_be_long_together() -> None:
    headers, header = Headers(), base64.b64encode(bytes(156) + b"5" + bytes(355))
    for _ in range(2 * MOST_RAW // len(header)):
        headers.add(header[:400])
        headers.add(header[400:])
        assert headers.next_type("a/", 0) == DIRECTORY


def test_a_record_of_very_many_empty_lines_takes_no_more_time_for_each_of_them(
    tmp_path: Path,
) -> None:
    def seconds(lines: int) -> float:
        file = written_in_pieces(tmp_path, lines)
        began = time.thread_time()
        with pytest.raises(DoubtError, match="headers that are too long"):
            read_touched(file, 9)
        return time.thread_time() - began

    few = min(seconds(5_000) for _ in range(3))
    assert min(seconds(40_000) for _ in range(3)) < 24 * max(few, 0.001)


class Asked(bytes):
    """Raw bytes that note how often somebody asks how many they are."""

    times = 0

    def __len__(self) -> int:
        Asked.times += 1
        return super().__len__()


def test_raw_bytes_are_asked_for_their_length_when_they_come_and_not_again() -> None:
    headers, Asked.times = Headers(), 0
    for _ in range(MOST_PARTS):
        headers.add(Asked(b"AAAA"))
    assert Asked.times == MOST_PARTS


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
        with pytest.raises((BrokenFileError, DoubtError)):
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
