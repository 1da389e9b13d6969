"""The status page: one look tells whether anything is about to stop."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from typing import Final

from exporter.config import Thresholds
from exporter.model import ImageFigures, LayersLeft, Reports, Resource, RootReport
from exporter.text import one_line

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--low:#b26a00;--bad:#c62828;--good:#2e7d32}
@media(prefers-color-scheme:dark){:root{--low:#ffb74d;--bad:#ef9a9a;--good:#a5d6a7}}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:0 auto;padding:1rem}
h1{font-size:1.3rem}h2{font-size:1.1rem;margin:2rem 0 .3rem;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
td,th{padding:.25rem .6rem .25rem 0;text-align:right;border-bottom:1px solid var(--line);
vertical-align:top}
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left;overflow-wrap:anywhere}
.big{font-size:2rem;font-weight:600}.low{color:var(--low)}.bad{color:var(--bad)}
.good{color:var(--good)}ul{padding-left:1.2rem}.wide{overflow-x:auto}footer{margin-top:2rem}
"""

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: nothing but its own style."""

_PATH: Final = 200


def status_page(reports: Reports, thresholds: Thresholds, version: str, metrics_path: str) -> str:
    """Write the page. Every name from disk is escaped."""
    body = "".join(part for report in reports for part in _root(report, thresholds))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="refresh" content="5">'
        f"<title>hardlink-exporter</title><style>{_STYLE}</style></head><body>"
        "<h1>hardlink-exporter</h1>"
        f"{body or '<p>No storage root was found yet.</p>'}"
        f'<footer><p><a href="{escape(metrics_path)}">metrics</a> · '
        '<a href="/api/v1/report">report</a> · '
        f"warning below {thresholds.warning} layers left, critical below {thresholds.critical}"
        f" · version {escape(version)}</p></footer></body></html>\n"
    )


def _root(report: RootReport, thresholds: Thresholds) -> Iterator[str]:
    yield f"<h2>{_text(report.root)} · {_text(report.driver or 'no driver')}</h2>"
    if report.up:
        yield from _figures(report, thresholds)
    if report.images:
        yield '<div class="wide"><table><thead><tr>'
        headings = ("Image", "Left by links", "Inodes", "Depth left", "Depth", "Tightest file")
        yield "".join(f"<th>{h}</th>" for h in headings) + "</tr></thead><tbody>"
        yield from (_image(image, thresholds) for image in report.images)
        yield "</tbody></table></div>"
    if report.problems:
        yield "<h3>Problems</h3><ul>"
        for p in report.problems:
            yield f"<li>{_text(p.where, 400)}: {_text(p.what, 400)} ({p.reason})</li>"
        yield "</ul>"


def _figures(report: RootReport, thresholds: Thresholds) -> Iterator[str]:
    first = report.runs_out_first
    if first is not None:
        n = report.layers_left[first]
        at_most = "" if report.scan.complete else "at most "
        yield (
            f'<p><span class="big {_class(n, thresholds)}">{at_most}{n}</span> layers left;'
            f" {first} run out first</p>"
        )
    limit = "unlimited" if not report.limit.bounded else report.limit.value or "unknown"
    left = ", ".join(f"{r} {_number(n)}" for r, n in report.layers_left.items())
    kinds = ", ".join(f"{n} {kind}" for kind, n in report.layers.items() if n)
    full = report.scan.full
    passed = f"full pass {full.seconds:.2f} s, {full.entries} entries" if full else "first pass"
    looked = datetime.fromtimestamp(report.scan.looked, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    yield (
        f"<p>Layers left: {left}. Links limit {limit} ({_text(report.fstype or '')},"
        f" {report.limit.source}); most links of a file {_number(report.links_max)}."
        f" Layers: {kinds or 'none'}; deepest {report.depth_max}."
        f" Looked at {looked} ({passed},"
        f" coverage {report.scan.coverage:.0%}).</p>"
    )
    if report.tightest is not None:
        tight = report.tightest
        yield (
            f"<p>Tightest file: {_text(tight.path, _PATH)}: {tight.links} links, {tight.names}"
            f" more for each layer; in {_text(', '.join(report.tightest_images) or 'no image', 400)}"
            "</p>"
        )


def _image(image: ImageFigures, thresholds: Thresholds) -> str:
    tight = image.tightest
    file = f"{_text(tight.path, _PATH)} ({tight.links}, {tight.names})" if tight else "-"
    links = image.layers_left.get(Resource.LINKS)
    return (
        f"<tr><td>{_text(image.known_as, 120)}</td>"
        f'<td class="{_class(links, thresholds)}">{_left(image.layers_left, Resource.LINKS)}</td>'
        f"<td>{_left(image.layers_left, Resource.INODES)}</td>"
        f"<td>{_left(image.layers_left, Resource.DEPTH)}</td>"
        f"<td>{image.depth}</td><td>{file}</td></tr>"
    )


def _text(text: str, most: int = 0) -> str:
    return escape(one_line(text, most))


def _left(left: LayersLeft, resource: Resource) -> str:
    return _number(left[resource]) if resource in left else "-"


def _number(n: int | None) -> str:
    return "?" if n is None else str(n)


def _class(n: int | None, thresholds: Thresholds) -> str:
    if n is None:
        return ""
    if n < thresholds.critical:
        return "bad"
    return "low" if n < thresholds.warning else "good"
