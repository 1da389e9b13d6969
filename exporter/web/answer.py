"""One HTTP response as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PLAIN: Final = "text/plain; charset=utf-8"

Headers = tuple[tuple[bytes, bytes], ...]
"""Names, in lower case as HTTP/2 wants them, and values."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response, before compression."""

    status: int
    content_type: str
    body: bytes
    headers: Headers = ()

    def all_headers(self, ours: Headers) -> list[tuple[bytes, bytes]]:
        """What is sent; `ours` is in place of the answer's own of that name."""
        names = {name for name, _ in ours}
        own = (
            (b"content-type", self.content_type.encode()),
            (b"content-length", str(len(self.body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            *self.headers,
        )
        return [*(pair for pair in own if pair[0] not in names), *ours]
