"""A mount whose server never answers: whoever asks it for anything waits, and cannot be killed."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_INIT = 26  # include/uapi/linux/fuse.h: FUSE_INIT
_HEADER = 40  # struct fuse_in_header; its opcode is the second 32-bit word, `unique` follows it
_BUFFER = 1 << 17


@contextmanager
def hung_mount(point: Path) -> Iterator[None]:
    """Mount a FUSE filesystem that takes every request and answers none but the first greeting.

    A request that the server has taken is waited for even by a process that is being killed
    (fs/fuse/dev.c, request_wait_answer), as on a dead NFS server. At the end the connection is
    broken off, and all who wait get an error.
    """
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    words = ["mount", "-i", "-t", "fuse", "-o", options, "hung", str(point)]
    subprocess.run(words, check=True, pass_fds=[device])
    server = threading.Thread(target=_serve, args=(device,), daemon=True)
    server.start()
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", "-f", str(point)], check=True)
        os.close(device)
        server.join(10)


def _serve(device: int) -> None:
    """Greet, then take requests and keep silent until the mount is gone."""
    try:
        while True:
            request = os.read(device, _BUFFER)
            if int.from_bytes(request[4:8], "little") == _INIT:
                os.write(device, _greeting(request[8:16]))
    except OSError:  # unmounted
        return


def _greeting(unique: bytes) -> bytes:
    """Answer FUSE_INIT with protocol 7.23 and no features (struct fuse_init_out: 64 bytes)."""
    body = b"".join(n.to_bytes(4, "little") for n in (7, 23, 0, 0)).ljust(64, b"\0")
    size = (16 + len(body)).to_bytes(4, "little")
    return size + bytes(4) + unique + body
