"""One root's part of the page: its verdict, its gauges, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from exporter.config import Config, Thresholds
from exporter.model import DEPTH_LIMIT, Kind, Resource, RootReport
from exporter.thinking.orders import WatchState
from exporter.web.page.health import health, problems
from exporter.web.page.images import images_table
from exporter.web.page.markup import chip, css_class, facts, gauge, name, names, number, some, text
from exporter.web.page.verdict import Level, Verdict, resource_level, runs_out

_PATH: Final = 300


def root_section(
    report: RootReport,
    watch: WatchState | None,
    judged: Verdict,
    config: Config,
    now: float,
    *,
    place: int,
    rows: int,
) -> str:
    """Write one root. `place` is its number on the page; `rows` how many images may be shown."""
    parts = [_head(report.root, report.driver, judged, place, len(report.problems))]
    if report.up:
        parts += ['<div class="parts"><div>', *_figures(report, judged, config.thresholds)]
        parts += ["</div><div>", facts("What is there", _known(report))]
        parts += [
            "</div><div>",
            facts("Scan and watch", health(report, watch, config, now)),
            "</div></div>",
        ]
    else:
        parts.append(f"<p>{text(judged.sentence, 400)}.</p>")
    parts += [
        problems(report.problems, place),
        images_table(report, config.thresholds, place, rows),
    ]
    return f'<section id="root-{place}" class="card">{"".join(parts)}</section>'


def waiting_section(root: str, judged: Verdict, place: int) -> str:
    """Write a root that has not given its first answer yet."""
    return (
        f'<section id="root-{place}" class="card">{_head(root, None, judged, place)}'
        "<p>The first look is under way. The tops of tagged images come first: on a large root"
        " their figures are here within seconds.</p></section>"
    )


def _head(root: str, driver: str | None, judged: Verdict, place: int, wrong: int = 0) -> str:
    kind = f'<span class="driver">{text(driver)}</span>' if driver else ""
    trouble = f'<a href="#problems-{place}">{some(wrong, "problem")}</a>' if wrong else ""
    return (
        f'<h2 id="name-{place}">{name(root, _PATH)} {kind} {chip(judged.level, judged.word)}'
        f" {trouble}</h2>"
    )


def _figures(report: RootReport, judged: Verdict, thresholds: Thresholds) -> Iterator[str]:
    first = report.runs_out_first
    if first is not None:
        least = report.layers_left[first]
        at_most = "" if report.scan.complete else "<small>at most</small> "
        unknown = "".join(f"; {r} unknown" for r, n in report.layers_left.items() if n is None)
        yield (
            f'<p class="headline {css_class(judged.level)}">{at_most}<b>{number(least)}</b>'
            f" {'layer' if least == 1 else 'layers'} left; {runs_out(first)} first{unknown}</p>"
        )
    yield '<table class="resources"><thead><tr><th scope="col">Resource</th>'
    yield '<th scope="col">Used</th><th scope="col">Layers left</th></tr></thead><tbody>'
    yield from (_resource(report, resource, thresholds) for resource in Resource)
    yield "</tbody></table>"


def _resource(report: RootReport, resource: Resource, thresholds: Thresholds) -> str:
    level, left = Level.FINE, "-"
    if resource in report.layers_left:
        least = report.layers_left[resource]
        level, left = resource_level(resource, least, thresholds), f"<b>{number(least)}</b>"
    return (
        f'<tr class="{css_class(level)}"><th scope="row">{resource.capitalize()}</th>'
        f"<td>{_USED[resource](report, level)}</td><td>{left}</td></tr>"
    )


def _links(report: RootReport, level: Level) -> str:
    if Resource.LINKS not in report.layers_left:
        if not report.limit.bounded:
            return f"<small>{text(report.fstype or 'this filesystem')} has no limit</small>"
        return "<small>cannot run out: each layer holds only its own files</small>"
    at_least = "" if report.scan.complete else "at least "
    most, limit = report.links_max, report.limit.value
    if most is None or not limit:
        return f"<small>limit unknown; most links of a file: {at_least}{number(most)}</small>"
    return (
        f"{gauge('Links used', most, limit, level)}<small>{at_least}{number(most)} of"
        f" {number(limit)} links of one file</small>"
    )


def _inodes(report: RootReport, _level: Level) -> str:
    if Resource.INODES not in report.layers_left:
        return "<small>cannot run out by layers</small>"
    return "<small>each layer takes new ones</small>"


def _depth(report: RootReport, level: Level) -> str:
    if report.depth_max is None:
        return "<small>no layer yet</small>"
    return (
        f"{gauge('Depth used', report.depth_max, DEPTH_LIMIT, level)}<small>deepest image:"
        f" {report.depth_max} of {some(DEPTH_LIMIT, 'layer')}</small>"
    )


_USED: Final = {Resource.LINKS: _links, Resource.INODES: _inodes, Resource.DEPTH: _depth}


def _known(report: RootReport) -> Iterator[tuple[str, str]]:
    """Say which file decides, and what the root is made of."""
    tight = report.tightest
    if tight is not None:
        yield (
            "Tightest file",
            f"{name(tight.path, _PATH)}<br><small>{some(tight.links, 'link')} on disk,"
            f" {number(tight.names)} more for each layer; in"
            f" {names(report.tightest_images) or 'no image'}</small>",
        )
    kinds = [f"{number(n)} {kind}" for kind in Kind if (n := report.layers.get(kind, 0))]
    yield "Layers", ", ".join(kinds) or "none"
    yield "Filesystem", f"{text(report.fstype or 'unknown')}<br><small>{_limit(report)}</small>"


def _limit(report: RootReport) -> str:
    if not report.limit.bounded:
        return "no limit of links"
    if report.limit.value is None:
        return "links limit unknown: set it in links_limits"
    where = {"table": "as known of this filesystem", "config": "as configured"}
    told = where.get(report.limit.source, text(report.limit.source))
    return f"links limit {number(report.limit.value)}, {told}"
