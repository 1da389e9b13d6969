"""The kernel's mount tables: understood from text, and read on this very host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.disk.mounts import (
    Mount,
    MountTableError,
    covered_below,
    mount_of,
    parse_mountinfo,
    read_mounts,
)

EXT4 = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext4 /dev/root rw,errors=continue\n"


def mount(point: bytes, id: int = 1) -> Mount:
    return Mount(id, "8:1", point, "ext4", (b"rw",))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (EXT4, Mount(36, "98:0", b"/mnt2", "ext4", (b"rw", b"errors=continue"))),
        (
            b"22 28 0:21 / /sys rw shared:7 - sysfs sysfs rw",
            Mount(22, "0:21", b"/sys", "sysfs", (b"rw",)),
        ),
        (b"5 1 8:1 / / rw - xfs /dev/sda1 rw", Mount(5, "8:1", b"/", "xfs", (b"rw",))),
        (
            b"6 1 8:1 / /m rw shared:1 master:2 propagate_from:3 unbindable - ext3 /dev/a rw",
            Mount(6, "8:1", b"/m", "ext3", (b"rw",)),
        ),
        (
            rb"7 1 0:5 / /a\040b\011c\012d\134e rw - tmpfs none rw,size=4k",
            Mount(7, "0:5", b"/a b\tc\nd\\e", "tmpfs", (b"rw", b"size=4k")),
        ),
        (
            b"8 1 0:6 / /\xff\xfe rw - fuse.sshfs me@host:/x rw,user_id=0",
            Mount(8, "0:6", b"/\xff\xfe", "fuse.sshfs", (b"rw", b"user_id=0")),
        ),
    ],
    ids=["proc(5)", "shared", "no tags", "many tags", "escapes", "bytes"],
)
def test_a_line_of_mountinfo_is_understood(line: bytes, expected: Mount) -> None:
    assert parse_mountinfo(line) == (expected,)


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"nonsense", b"1 2 3", b"1 2 8:1 / /m rw", b"1 2 8:1 / /m rw - ext4", b" - "],
)
def test_a_line_of_another_form_is_passed_over(line: bytes) -> None:
    (known,) = parse_mountinfo(EXT4)
    assert parse_mountinfo(line + b"\n" + EXT4 + line) == (known,)


@given(
    st.lists(
        st.binary().filter(lambda b: not set(b) & set(b"\0\r")).map(b"/".__add__),
        max_size=5,
    )
)
def test_any_mount_point_is_read_as_it_was_before_the_kernel_escaped_it(
    points: list[bytes],
) -> None:
    def escaped(raw: bytes) -> bytes:
        return b"".join(b"\\%03o" % c if c in b" \t\n\\" else bytes([c]) for c in raw)

    lines = [b"%d 1 8:1 / %s rw - ext4 x rw" % (i, escaped(p)) for i, p in enumerate(points)]
    assert [m.point for m in parse_mountinfo(b"\n".join(lines))] == points


def test_an_option_is_told_by_its_key() -> None:
    (found,) = parse_mountinfo(
        rb"1 1 0:9 / /m rw - overlay none rw,lowerdir=/l1:/l2,upperdir=/a\040b\054c,up=,xupperdir=/x"
    )
    asked = [found.option(key) for key in (b"upperdir", b"lowerdir", b"up", b"rw", b"dir")]
    assert asked == [b"/a b,c", b"/l1:/l2", b"", None, None]


def test_mounts_are_read_from_the_folder_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_bytes(EXT4 * 2)
    assert [m.id for m in read_mounts(tmp_path)] == [36, 36]
    with pytest.raises(MountTableError, match="/nowhere/mountinfo cannot be read: No such file"):
        read_mounts(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("fdinfo", "expected"),
    [
        ("pos:\t0\nflags:\t02100000\nmnt_id:\t36\nino:\t5\n", 36),
        ("pos:\t36\nflags:\t02100000\nmnt_id:\t99\n", None),
        ("pos:\t36\nflags:\t02100000\n", None),
        ("", None),
    ],
    ids=["shown", "not shown", "an old kernel", "nothing"],
)
def test_an_open_files_mount_is_found_by_its_id(
    tmp_path: Path, fdinfo: str, expected: int | None
) -> None:
    (tmp_path / "fdinfo").mkdir()
    (tmp_path / "fdinfo/7").write_text(fdinfo)
    found = mount_of(7, parse_mountinfo(EXT4), tmp_path)
    assert expected == (found.id if found else None)


def test_this_hosts_tables_tell_the_mount_that_a_folder_stands_on(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = mount_of(fd, read_mounts())
    finally:
        os.close(fd)
    assert found is not None
    point = Path(os.fsdecode(found.point))
    assert tmp_path.resolve().is_relative_to(point)
    assert point.stat().st_dev == tmp_path.stat().st_dev


def test_names_hidden_by_mounts_are_told_by_their_folder(tmp_path: Path) -> None:
    home, root = tmp_path / "overlay", tmp_path / "overlay/3f/root"
    (root / "etc").mkdir(parents=True)
    (home / "9c/merged/proc").mkdir(parents=True)
    (tmp_path / "overlay2").mkdir()
    mounts = [
        mount(os.fsencode(root / "etc/hosts")),
        mount(os.fsencode(root / "etc/new\nline")),
        mount(os.fsencode(root) + b"/\xff"),
        mount(os.fsencode(home / "9c/merged")),  # a container's own: nobody walks there
        mount(os.fsencode(home / "9c/merged/proc")),
        mount(os.fsencode(home)),  # the driver's whole folder: it is what we stand on
        mount(os.fsencode(tmp_path / "overlay2/x")),
        mount(os.fsencode(home / "gone/root/x")),
        mount(b"/"),
    ]
    etc, tree = (root / "etc").stat(), root.stat()
    assert covered_below(home, mounts) == {
        (etc.st_dev, etc.st_ino): frozenset({"hosts", "new\nline"}),
        (tree.st_dev, tree.st_ino): frozenset({"\udcff"}),
    }


def test_mounts_are_found_below_a_home_that_is_reached_by_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "real/3f").mkdir(parents=True)
    (tmp_path / "overlay").symlink_to("real")
    folder = (tmp_path / "real/3f").stat()
    covering = [mount(os.fsencode((tmp_path / "real").resolve() / "3f/root"))]
    assert covered_below(tmp_path / "overlay", covering) == {
        (folder.st_dev, folder.st_ino): frozenset({"root"})
    }
