"""The `overlay` (v1) driver: each image layer is a whole tree, shared by hard links.

    overlay/
      3f..64 hex../          an image layer:      root/
      9c..64 hex..-init/     a container's:       lower-id  upper/  work/  [merged/]
      9c..64 hex../          a container's:       lower-id  upper/  work/  [merged/]
      x7..25 chars../        BuildKit's:          lower-id  upper/  work/     no root/, no links
      5a..64 hex../          being made:          lower-id  upper/  work/  tmproot123/

While a layer is made its tree is called `tmproot<digits>`; the parent's names are linked
into it first, then it is renamed to `root`. Source: moby v20.10.24
`daemon/graphdriver/overlay/overlay.go` (Create, ApplyDiff).
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter.model import Folder

IGNORED = ("check-overlayfs-support",)
"""Start of the names of folders that hold no layer (moby `daemon/graphdriver/overlayutils`)."""


def folder(id: str, entries: Iterable[str], changed: float) -> Folder:
    """What a folder of this driver holds, from the names in it."""
    names = frozenset(entries)
    making = tuple(sorted(n for n in names if n.startswith("tmproot")))
    return Folder(
        id=id,
        trees=(*(t for t in ("root", "upper") if t in names), *making),
        stacked="root" if "root" in names else None,
        half_made=bool(making),
        writable=id.endswith("-init") or {"upper", "lower-id"} <= names,
        changed=changed,
    )
