"""What the engine's JSON documents say. Each function raises BrokenFileError for what they are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from exporter.disk.files import BrokenFileError

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def diff_ids(config: Any) -> tuple[str, ...]:
    """The diff ids of an image's configuration, base first."""
    rootfs = config.get("rootfs") if isinstance(config, dict) else None
    ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if ids is None and isinstance(rootfs, dict):
        return ()  # FROM scratch without any layer
    if not isinstance(ids, list) or not all(
        isinstance(i, str) and DIGEST.fullmatch(i) for i in ids
    ):
        raise BrokenFileError("has no list of diff ids under rootfs.diff_ids")
    return tuple(ids)


def references(document: Any) -> Iterator[tuple[str, str]]:
    """What repositories.json holds: each tag or digest with its image."""
    repositories = document.get("Repositories") if isinstance(document, dict) else None
    if not isinstance(repositories, dict):
        raise BrokenFileError("has no Repositories")
    for references in repositories.values():
        if not isinstance(references, dict):
            raise BrokenFileError("has a repository that is not an object")
        for reference, image in references.items():
            if not isinstance(image, str):
                raise BrokenFileError("has a reference that is not to an image id")
            yield reference, image
