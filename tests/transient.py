"""Errors that pass: few descriptors, what may not be read, mounts that hide a file."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from disks import mounted

NOBODY = 65_534


@contextmanager
def few_descriptors(spare: int) -> Iterator[None]:
    """Let this process open so many files more, and then give it EMFILE."""
    taken = [os.open("/dev/null", os.O_RDONLY) for _ in range(spare + 1)]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(taken)
    for fd in taken:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def forbidden(*places: Path) -> Iterator[None]:
    """Let nobody read some folders or files, and be nobody meanwhile: EACCES."""
    is_root = os.geteuid() == 0
    modes = [place.stat().st_mode for place in places]
    with open_to_all(*places):
        for place in places:
            place.chmod(0)
        if is_root:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            if is_root:
                os.seteuid(0)
            for place, mode in zip(places, modes, strict=True):
                place.chmod(mode)


@contextmanager
def open_to_all(*paths: Path) -> Iterator[None]:
    """Let others pass through the folders above, which pytest makes for us alone."""
    above = dict.fromkeys(p for path in paths for p in path.parents if p != Path("/"))
    changed = [p for p in above if not p.stat().st_mode & 0o001]
    modes = [p.stat().st_mode for p in changed]
    for p in changed:
        p.chmod(0o755)
    try:
        yield
    finally:
        for p, mode in zip(changed, modes, strict=True):
            p.chmod(mode)


@contextmanager
def covered(file: Path) -> Iterator[None]:
    """Hide a file below a mount of another one."""
    with mounted("--bind", "/etc/hostname" if file.is_file() else "/etc", str(file)):
        yield
