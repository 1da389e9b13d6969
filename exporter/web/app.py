"""The pages: a few, read-only, each rendered from the newest reports."""

from __future__ import annotations

import gzip
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs

from hypercorn.typing import HTTPScope
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder, gzip_accepted

from exporter.telling.metrics import ViewCollector
from exporter.telling.report import to_json
from exporter.web.answer import PLAIN, Answer
from exporter.web.page.document import POLICY, status_page
from exporter.web.request import path_of, wanted
from exporter.web.status import Status

_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"


class _Kept:
    """Bytes, kept while what they are made of stays the same: with 10,000 images they take a while."""

    def __init__(self, make: Callable[..., bytes]) -> None:
        self._make = make
        self._made_of: tuple[object, ...] | None = None
        self._made = b""

    def of(self, *made_of: object) -> bytes:
        if made_of != self._made_of:
            self._made, self._made_of = self._make(*made_of), made_of
        return self._made


class App:
    """All pages. `status` gives what is to be shown, without touching the disk."""

    def __init__(self, status: Callable[[], Status], metrics_path: str = "/metrics") -> None:
        self._status = status
        self._metrics_path = metrics_path
        self._report = _Kept(lambda assessments: to_json(assessments).encode())
        self._html = _Kept(lambda *made_of: status_page(*made_of).encode())
        self._registry = CollectorRegistry()
        self._registry.register(ViewCollector(lambda: status().view))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def answer(self, scope: HTTPScope) -> Answer:
        """Answer one request."""
        if scope["method"] not in ("GET", "HEAD"):
            body = b"only GET and HEAD are answered here\n"
            return Answer(405, PLAIN, body, ((b"allow", b"GET, HEAD"),))
        path = path_of(scope)
        if path == self._metrics_path:
            return self._metrics(scope)
        if path == "/":
            return self._page(scope)
        if path == "/api/v1/report":
            return Answer(200, _JSON, self._report.of(self._status().assessments(time.time())))
        if path == "/-/healthy":
            return Answer(200, PLAIN, b"healthy\n")
        if path == "/-/ready":
            if self._status().ready:
                return Answer(200, PLAIN, b"ready\n")
            return Answer(503, PLAIN, b"not ready: a root has no answer yet\n")
        return Answer(404, PLAIN, b"not found; there is a list of pages at /\n")

    def _page(self, scope: HTTPScope) -> Answer:
        soon = float(math.ceil(time.time()))  # the same for all who ask within one second
        page = self._html.of(self._status(), self._metrics_path, soon)
        headers = (
            (b"content-security-policy", POLICY.encode()),
            (b"referrer-policy", b"no-referrer"),
        )
        return _packed(scope, Answer(200, _HTML, page, headers))

    def _metrics(self, scope: HTTPScope) -> Answer:
        """Render the metrics in the format that the client asks for."""
        try:
            encode, content_type = choose_encoder(wanted(scope, b"accept"))
        except (TypeError, ValueError):  # a version that is none
            encode, content_type = choose_encoder("")
        names = parse_qs(scope["query_string"].decode("latin-1")).get("name[]")
        if names:
            body = encode(self._registry.restricted_registry(names))
        else:
            body = encode(self._registry)
        return _packed(scope, Answer(200, content_type, body), b"accept, accept-encoding")


def _packed(scope: HTTPScope, answer: Answer, vary: bytes = b"accept-encoding") -> Answer:
    """The answer as small as the client can read it; `vary` names the headers it depends on."""
    headers = (*answer.headers, (b"vary", vary))
    if not gzip_accepted(wanted(scope, b"accept-encoding")):
        return replace(answer, headers=headers)
    body = gzip.compress(answer.body, compresslevel=1)
    return replace(answer, body=body, headers=(*headers, (b"content-encoding", b"gzip")))
