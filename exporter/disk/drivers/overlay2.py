"""The `overlay2` driver: a layer holds only its own changes; nothing is shared by hard links.

    overlay2/
      3f..64 hex../          a layer:       diff/  link  [lower  work/  committed]
      9c..64 hex..-init/     a container's: diff/  link  lower  work/
      9c..64 hex../          a container's: diff/  link  lower  work/  [merged/]
      x7..25 chars../        BuildKit's:    diff/  link  [lower  work/]
      l/                     short names of all the `diff` folders, as symlinks

Source: moby v20.10.24 `daemon/graphdriver/overlay2/overlay.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter.model import Folder

IGNORED = ("l", "check-overlayfs-support")


def folder(id: str, entries: Iterable[str], changed: float) -> Folder:
    """What a folder of this driver holds, from the names in it."""
    return Folder(
        id=id,
        trees=("diff",) if "diff" in entries else (),
        stacked=None,
        half_made=False,
        writable=id.endswith("-init"),
        changed=changed,
    )
