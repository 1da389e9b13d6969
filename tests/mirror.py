"""A FUSE filesystem that shows another folder, and fails or lies where it is told to.

It is read-only: what is to change is changed in the folder that it shows. The server is a
process of its own (`python mirror.py FD SOURCE ORDERS LOG`), since it must answer while the
one who asks waits. `ORDERS` is a file of JSON: `{"errors": {PATH: ERRNO}, "links": N}`, where
PATH is a folder that cannot be listed, and N the link count that every file is said to have.
`LOG` gets a line for each folder that is opened.

Protocol: include/uapi/linux/fuse.h, version 7.23.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ending import end

_BUFFER = 1 << 17
_HEADER = struct.Struct("<IIQQIIII")  # fuse_in_header: length, opcode, unique, node, ...
_NO_ANSWER = {2, 36, 42}  # FORGET, INTERRUPT, BATCH_FORGET


@dataclass(frozen=True)
class Mirror:
    """A mirror that is mounted at `path`."""

    path: Path
    orders: Path
    log: Path

    def fail(self, number: int, *folders: str) -> None:
        """Let the listing of these folders, by their paths below the mirror, fail with this error."""
        self._order({"errors": dict.fromkeys(folders, number)})

    def obey(self) -> None:
        """Show everything as it is."""
        self._order({})

    def lie(self, links: int) -> None:
        """Say that every file has so many links."""
        self._order({"links": links})

    def opened(self, ending: str) -> int:
        """Count how often folders whose path ends so were opened."""
        return sum(line.endswith(ending) for line in self.log.read_text().splitlines())

    def _order(self, orders: dict[str, Any]) -> None:
        written = self.orders.with_suffix(".new")
        written.write_text(json.dumps(orders))
        written.rename(self.orders)


@contextmanager
def mirror_of(source: Path, point: Path) -> Iterator[Mirror]:
    """Show `source` at `point`, in FUSE, until the block ends."""
    point.mkdir()
    orders, log = point.with_suffix(".orders"), point.with_suffix(".log")
    mirror = Mirror(point, orders, log)
    mirror.obey()
    log.touch()
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    words = ["mount", "-i", "-t", "fuse", "-o", options, "mirror", str(point)]
    subprocess.run(words, check=True, pass_fds=[device])
    server = subprocess.Popen(
        [sys.executable, __file__, str(device), str(source), str(orders), str(log)],
        pass_fds=[device],
    )
    os.close(device)
    try:
        yield mirror
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True)
        end(server)


@dataclass
class _Server:
    device: int
    source: str
    orders: str
    log: int
    paths: dict[int, str] = field(default_factory=lambda: {1: ""})
    nodes: dict[str, int] = field(default_factory=lambda: {"": 1})

    def run(self) -> None:
        answers: dict[int, Callable[[str, bytes], bytes]] = {
            1: self.lookup,
            3: lambda path, _: struct.pack("<QII", 0, 0, 0) + self.attributes(path),
            5: lambda path, _: os.fsencode(os.readlink(self.source + path)),
            14: lambda _path, _: bytes(16),
            15: self.read,
            17: self.statfs,
            18: lambda _path, _: b"",
            25: lambda _path, _: b"",
            26: lambda _path, _: struct.pack("<4I", 7, 23, 0, 0).ljust(64, b"\0"),
            27: self.opendir,
            28: self.readdir,
            29: lambda _path, _: b"",
        }
        while True:
            try:
                request = os.read(self.device, _BUFFER)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return  # unmounted
            _, opcode, unique, node, *_ = _HEADER.unpack_from(request)
            if opcode in _NO_ANSWER:
                continue
            number, body = 0, b""
            try:
                answer = answers.get(opcode, _not_known)
                body = answer(self.paths.get(node, ""), request[_HEADER.size :])
            except OSError as error:
                number = error.errno or errno.EIO
            head = struct.pack("<IiQ", 16 + len(body), -number, unique)
            try:
                os.write(self.device, head + body)
            except FileNotFoundError:
                continue  # who asked was interrupted

    def ordered(self) -> dict[str, Any]:
        with open(self.orders, encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
        return found

    def attributes(self, path: str) -> bytes:
        """Struct fuse_attr."""
        status = os.lstat(self.source + path)
        links = status.st_nlink
        if stat.S_ISREG(status.st_mode):
            links = self.ordered().get("links", links)
        times = [status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns]
        return struct.pack(
            "<6Q10I",
            *(status.st_ino, status.st_size, status.st_blocks),
            *(t // 10**9 for t in times),
            *(t % 10**9 for t in times),
            *(status.st_mode, links, status.st_uid, status.st_gid, 0, 4096, 0),
        )

    def lookup(self, path: str, body: bytes) -> bytes:
        """Struct fuse_entry_out; nothing of it may be remembered."""
        below = f"{path}/{os.fsdecode(body.rstrip(bytes(1)))}"
        attributes = self.attributes(below)
        node = self.nodes.setdefault(below, len(self.nodes) + 1)
        self.paths[node] = below
        return struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + attributes

    def opendir(self, path: str, _body: bytes) -> bytes:
        os.write(self.log, os.fsencode(path[1:]) + b"\n")
        number = self.ordered().get("errors", {}).get(path[1:])
        if number is not None:
            raise OSError(number, "")
        return bytes(16)

    def readdir(self, path: str, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        answer = b""
        for number, entry in enumerate(
            sorted(os.scandir(self.source + path), key=lambda e: e.name)
        ):
            if number < offset:
                continue
            name, kind = (
                os.fsencode(entry.name),
                stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode),
            )
            head = struct.pack("<QQII", entry.inode(), number + 1, len(name), kind >> 12)
            line = head + name + bytes(-len(name) % 8)
            if len(answer) + len(line) > size:
                break
            answer += line
        return answer

    def read(self, path: str, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        fd = os.open(self.source + path, os.O_RDONLY)
        try:
            return os.pread(fd, size, offset)
        finally:
            os.close(fd)

    def statfs(self, path: str, _body: bytes) -> bytes:
        space = os.statvfs(self.source + path)
        counts = (space.f_blocks, space.f_bfree, space.f_bavail, space.f_files, space.f_ffree)
        return struct.pack("<5Q4I", *counts, space.f_bsize, 255, space.f_frsize, 0).ljust(80, b"\0")


def _not_known(_path: str, _body: bytes) -> bytes:
    raise OSError(errno.ENOSYS, "")


if __name__ == "__main__":
    device, source, orders, log = sys.argv[1:]
    _Server(int(device), source, orders, os.open(log, os.O_WRONLY | os.O_APPEND)).run()
