"""The whole page: its head, its policy, and the parts in their order."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from exporter.web.page.images import fair_shares
from exporter.web.page.markup import chip, css_class, name, number, text
from exporter.web.page.root import root_section, waiting_section
from exporter.web.page.settings import refused, settings
from exporter.web.page.verdict import SO_FAR, Level, Verdict, first_look, verdict
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
    view, config = status.view, status.config
    answered = {report.root for report in view.reports}
    waiting = [first_look(root) for root in view.watches if root not in answered]
    judged = [verdict(report, config, now) for report in view.reports]
    shares = fair_shares([len(report.images) for report in view.reports])
    sections = [
        root_section(
            report, view.watches.get(report.root), how, config, now, place=place, rows=rows
        )
        for place, (report, how, rows) in enumerate(zip(view.reports, judged, shares, strict=True))
    ]
    sections += [
        waiting_section(how.root, how, place) for place, how in enumerate(waiting, len(judged))
    ]
    every = judged + waiting
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
        f"<title>{_title(every)}</title><style>{_STYLE}</style></head>"
        f'<body data-build="{_BUILD}"><header><h1>hardlink-exporter</h1>'
        '<label class="scripted">Find <input type="search" id="find" autocomplete="off"'
        ' spellcheck="false" placeholder="image or file"></label>'
        '<p><span id="state" role="status"></span> <span id="age">'
        "</span></p></header>"
        f'<main data-now="{now:.3f}">{main}</main><script>{SCRIPT}</script></body></html>\n'
    )


def _worst(every: list[Verdict]) -> Verdict:
    return max(every, key=lambda how: how.level)


def _title(every: list[Verdict]) -> str:
    word = _worst(every).word if every else "no root"
    return f"{escape(word)} · hardlink-exporter"


def _banner(every: list[Verdict], *, ready: bool) -> str:
    """Say in one sentence whether anything is about to stop."""
    if not every:
        if not ready:
            return '<p class="banner looking">Looking for storage roots.</p>'
        return (
            '<p class="banner unknown">No storage root was found. Name one: hardlink-exporter serve'
            " /var/lib/docker</p>"
        )
    worst = _worst(every)
    sentence = text(worst.sentence[:1].upper() + worst.sentence[1:], 400)
    told = f"{sentence}. <small>{name(worst.root)}</small>"
    call = _CALLS[worst.level]
    if worst.level is Level.FINE:
        if any(how.word == SO_FAR for how in every):
            call = "Nothing is about to stop so far."
        told = told if len(every) == 1 else f"All {len(every)} roots are fine."
    others = sum(how.level >= Level.UNKNOWN for how in every) - 1
    if others > 0:
        more = "1 other root needs" if others == 1 else f"{number(others)} other roots need"
        told += f" <br>{more} a look too."
    return f'<p class="banner {css_class(worst.level)}"><b>{call}</b> {told}</p>'


_CALLS: Final = {
    Level.FINE: "Nothing is about to stop.",
    Level.LOOKING: "Looking.",
    Level.UNKNOWN: "It is not known when it stops.",
    Level.LOW: "It stops before long.",
    Level.OLD: "The figures are old.",
    Level.DOWN: "A root gives no figures.",
    Level.CRITICAL: "About to stop.",
    Level.EXHAUSTED: "Exhausted.",
}


def _overview(every: list[Verdict]) -> str:
    """List the roots, worst first, where there are several."""
    if len(every) == 1:
        return ""
    rows = sorted(enumerate(every), key=lambda pair: -pair[1].level)
    items = "".join(
        f'<li>{chip(how.level, how.word)} <a href="#root-{place}">{name(how.root)}</a>'
        f" {text(how.driver or '')}"
        f" <small>{text(how.sentence, 300)}</small></li>"
        for place, how in rows
    )
    return f'<nav aria-label="Roots"><ul class="overview">{items}</ul></nav>' if items else ""


def _links(metrics_path: str, version: str) -> str:
    metrics = escape(quote(f".{metrics_path}", safe="/:@!$&'()*+,;=~"))
    return (
        f'<footer><p><a href="{metrics}">metrics</a> · <a href="./api/v1/report">report</a> ·'
        ' <a href="./-/healthy">healthy</a> · <a href="./-/ready">ready</a> ·'
        f" version {text(version)}</p></footer>"
    )
