"""One root's part of the page: its verdict, its gauges, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from exporter.config import Config
from exporter.model import DEPTH_LIMIT, Kind, Resource, RootReport
from exporter.telling.assessment import Assessment, Level, level_of
from exporter.thinking.orders import WatchState
from exporter.web.page.health import health, problems
from exporter.web.page.images import images_table
from exporter.web.page.markup import (
    chip,
    facts,
    gauge,
    name,
    names,
    number,
    sentence,
    some,
    text,
)

_PATH: Final = 300


def root_section(
    one: Assessment, watch: WatchState | None, config: Config, now: float, *, place: int, rows: int
) -> str:
    """Write one root. `place` is its number on the page; `rows` how many images may be shown."""
    report = one.report
    parts = [_head(one, place)]
    if report is not None and report.up:
        parts += ['<div class="parts"><div>', *_figures(one, report, config)]
        parts += ["</div><div>", facts("What is there", _known(report))]
        parts += [
            "</div><div>",
            facts("Scan and watch", health(one, report, watch, config, now)),
            "</div></div>",
        ]
    else:
        parts.append(f"<p>{sentence(one.sentence)}.</p>")
    if report is not None:
        parts += [problems(report.problems, place), images_table(report, config, place, rows)]
    return f'<section id="root-{place}" class="card">{"".join(parts)}</section>'


def _head(one: Assessment, place: int) -> str:
    wrong = len(one.report.problems) if one.report else 0
    kind = f'<span class="driver">{text(one.driver)}</span>' if one.driver else ""
    trouble = f'<a href="#problems-{place}">{some(wrong, "problem")}</a>' if wrong else ""
    return f'<h2 id="name-{place}">{name(one.root, _PATH)} {kind} {chip(one.level)} {trouble}</h2>'


def _figures(one: Assessment, report: RootReport, config: Config) -> Iterator[str]:
    if one.left is None:
        said = sentence(one.sentence)
    else:
        bound = f"<small>{one.upper_bound.strip()}</small> " if one.at_most else ""
        said = f"{bound}<b>{number(one.left)}</b>{text(one.rest, 400)}"
    yield f'<p class="headline {one.level.word}">{said}</p>'
    yield '<table class="resources"><thead><tr><th scope="col">Resource</th>'
    yield '<th scope="col">Used</th><th scope="col">Layers left</th></tr></thead><tbody>'
    yield from (_resource(one, report, resource, config) for resource in Resource)
    yield "</tbody></table>"


def _resource(one: Assessment, report: RootReport, resource: Resource, config: Config) -> str:
    level, left = Level.OK, "-"
    if resource in report.layers_left:
        least = report.layers_left[resource]
        level, left = level_of(resource, least, config), f"<b>{number(least)}</b>"
    return (
        f'<tr class="{level.word}"><th scope="row">{resource.capitalize()}</th>'
        f"<td>{_USED[resource](one, report, level)}</td><td>{left}</td></tr>"
    )


def _links(one: Assessment, report: RootReport, level: Level) -> str:
    if Resource.LINKS not in report.layers_left:
        if not report.limit.bounded:
            return f"<small>{text(report.fstype or 'this filesystem')} has no limit</small>"
        return "<small>cannot run out: each layer holds only its own files</small>"
    most, limit = report.links_max, report.limit.value
    used = f"{one.lower_bound}{number(most)}"
    if most is None or not limit:
        return f"<small>limit unknown; most links of a file: {used}</small>"
    return (
        f"{gauge('Links used', most, limit, level)}<small>{used} of"
        f" {number(limit)} links of one file</small>"
    )


def _inodes(_one: Assessment, report: RootReport, _level: Level) -> str:
    if Resource.INODES not in report.layers_left:
        return "<small>cannot run out by layers</small>"
    return "<small>each layer takes new ones</small>"


def _depth(_one: Assessment, report: RootReport, level: Level) -> str:
    if report.depth_max is None:
        return "<small>depth not known</small>"
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
