"""Real filesystems for tests, on loop devices."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def disk(folder: Path, size: str, mkfs: Sequence[str]) -> Iterator[Path]:
    """Make a filesystem in a file, mount it below `folder`, and take both away at the end."""
    image, point = folder / "disk.img", folder / "disk"
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(int(size.removesuffix("M")) << 20)
    _do(*mkfs, str(image))
    with mounted("-o", "loop", str(image), str(point)):
        yield point
    image.unlink()


@contextmanager
def mounted(*words: str) -> Iterator[None]:
    """Mount something, as `mount` takes it, the mount point last."""
    _do("mount", *words)
    try:
        yield
    finally:
        _do("umount", words[-1])


def _do(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
