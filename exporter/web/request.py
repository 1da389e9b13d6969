"""What a request says, where the RFCs of HTTP leave a server no choice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from hypercorn.typing import HTTPScope

_ABSOLUTE: Final = re.compile(rb"https?://[^/]+", re.IGNORECASE)
_REFUSED: Final = re.compile(r";\s*q=0(\.0*)?\s*(;|$)", re.IGNORECASE)


def path_of(scope: HTTPScope) -> str:
    """The path, also of a target in absolute form (RFC 9112, 3.2.2): a server must take both."""
    absolute = _ABSOLUTE.match(scope["raw_path"])
    if absolute is None:
        return scope["path"]
    return unquote(scope["raw_path"][absolute.end() :].decode("ascii")) or "/"


def is_framed_twice(scope: HTTPScope) -> bool:
    """Whether two readers may see two different ends of the request (RFC 9112, 6.1).

    Both lengths are given, or chunks where HTTP/1.0 knows none. h11 goes by the chunks.
    """
    names = {name.lower() for name, _ in scope["headers"]}
    return b"transfer-encoding" in names and (
        b"content-length" in names or scope["http_version"] == "1.0"
    )


def wanted(scope: HTTPScope, name: bytes) -> str:
    """A header's list without what the client refuses: `q=0`, in any case (RFC 9110, 12.4.2)."""
    return ",".join(part for part in _parts(scope, name) if not _REFUSED.search(part))


def _parts(scope: HTTPScope, name: bytes) -> Iterator[str]:
    for given, value in scope["headers"]:
        if given.lower() == name:
            yield from (part.strip() for part in value.decode("latin-1").split(","))
