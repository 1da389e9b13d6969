"""The whole page: its head, its policy, and the parts in their order."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from exporter.telling.assessment import Assessment, Level, assess_nothing
from exporter.web.page.images import fair_shares
from exporter.web.page.markup import chip, name, number, sentence, text
from exporter.web.page.root import root_section
from exporter.web.page.settings import refused, settings
from exporter.web.status import Status

_HERE: Final = files(__package__)
SCRIPT: Final = (_HERE / "page.js").read_text("utf-8")
_STYLE: Final = (_HERE / "page.css").read_text("utf-8")


def _hash(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_hash(_STYLE)}'; script-src 'sha256-{_hash(SCRIPT)}';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The page's Content-Security-Policy: its own style and script, and asking its own server again."""

_BUILD: Final = _hash(_STYLE + SCRIPT)[:12]
"""Tells an open page that the server has another one, so that it loads anew."""

_REFRESH: Final = 5
"""Seconds after which the page loads anew where no script runs."""


def status_page(status: Status, metrics_path: str, now: float) -> str:
    """Write the page as of `now`, a unix time. No part of it asks the disk."""
    view, every = status.view, status.assessments(now)
    level = max((one.level for one in every), default=assess_nothing(ready=status.ready)[0])
    shares = fair_shares([len(one.report.images) if one.report else 0 for one in every])
    sections = [
        root_section(
            one, view.watches.get(one.root), status.config, now, place=place, rows=shares[place]
        )
        for place, one in enumerate(every)
    ]
    main = "".join(
        [
            _banner(every, ready=status.ready),
            refused(view.loaded, now),
            _overview(every),
            *sections,
            settings(status, metrics_path, now),
            _links(metrics_path, view.version),
        ]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<noscript><meta http-equiv="refresh" content="{_REFRESH}"></noscript>'
        f"<title>{level.word} · hardlink-exporter</title><style>{_STYLE}</style></head>"
        f'<body data-build="{_BUILD}"><header><h1>hardlink-exporter</h1>'
        '<label class="scripted">Find <input type="search" id="find" autocomplete="off"'
        ' spellcheck="false" placeholder="image or file"></label>'
        '<p><span id="state" role="status"></span> <span id="age">'
        "</span></p></header>"
        f'<main data-now="{now:.3f}">{main}</main><script>{SCRIPT}</script></body></html>\n'
    )


def _banner(every: Sequence[Assessment], *, ready: bool) -> str:
    """Say in one sentence whether anything is about to stop."""
    if not every:
        level, said = assess_nothing(ready=ready)
        hint = " Name one: hardlink-exporter serve /var/lib/docker" if ready else ""
        return f'<p class="banner {level.word}">{sentence(said)}.{hint}</p>'
    worst = max(every, key=lambda one: one.level)
    told = f"{sentence(worst.sentence)}. <small>{name(worst.root)}</small>"
    if worst.level is Level.OK and len(every) > 1:
        told = f"All {len(every)} roots are ok."
    others = sum(one.level >= Level.UNKNOWN for one in every) - 1
    if others > 0:
        more = "1 other root needs" if others == 1 else f"{number(others)} other roots need"
        told += f" <br>{more} attention too."
    return f'<p class="banner {worst.level.word}"><b>{_CALLS[worst.level]}</b> {told}</p>'


_CALLS: Final = {
    Level.OK: "Nothing is about to run out.",
    Level.INFO: "An image is near the depth limit.",
    Level.PENDING: "Scanning.",
    Level.INCOMPLETE: "Not all layers are counted.",
    Level.UNKNOWN: "Not fully known.",
    Level.WARNING: "Running low.",
    Level.STALE: "The figures are stale.",
    Level.DOWN: "No figures.",
    Level.CRITICAL: "Almost exhausted.",
    Level.EXHAUSTED: "Exhausted.",
}


def _overview(every: Sequence[Assessment]) -> str:
    """List the roots, worst first, where there are several."""
    if len(every) == 1:
        return ""
    rows = sorted(enumerate(every), key=lambda pair: -pair[1].level)
    items = "".join(
        f'<li>{chip(one.level)} <a href="#root-{place}">{name(one.root)}</a>'
        f" {text(one.driver or '')}"
        f" <small>{text(one.sentence, 300)}</small></li>"
        for place, one in rows
    )
    return f'<nav aria-label="Roots"><ul class="overview">{items}</ul></nav>' if items else ""


def _links(metrics_path: str, version: str) -> str:
    metrics = escape(quote(f".{metrics_path}", safe="/:@!$&'()*+,;=~"))
    return (
        f'<footer><p><a href="{metrics}">metrics</a> · <a href="./api/v1/report">report</a> ·'
        ' <a href="./-/healthy">healthy</a> · <a href="./-/ready">ready</a> ·'
        f" version {text(version)}</p></footer>"
    )
