"""How the look at a root goes: how fresh and how whole its figures are, the watch, the problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from exporter.config import Config
from exporter.model import Problem, RootReport
from exporter.telling.assessment import Assessment, percent
from exporter.thinking.orders import WatchState
from exporter.web.page.markup import moment, name, number, some, text

MOST_PROBLEMS: Final = 50
_SENTENCE: Final = 400


def health(
    one: Assessment, report: RootReport, watch: WatchState | None, config: Config, now: float
) -> Iterator[tuple[str, str]]:
    """Tell terms and what is known of each, as HTML."""
    scan = report.scan
    stale = ' <b class="stale">stale</b>' if one.stale else ""
    yield "Figures current as of", f"{moment(scan.looked, now)}{stale}"
    meaning = "until all are counted, layers left means at most, most links at least"
    yield (
        "Coverage",
        f"{percent(scan.coverage)} of image layers<br>"
        f"<small>{meaning if one.at_most else 'all are counted'}</small>",
    )
    if scan.full is None:
        yield "Full pass", "the first is under way"
    else:
        yield (
            "Full pass",
            f"{moment(scan.full.finished, now)}<br><small>took {scan.full.seconds:.2f} s,"
            f" {some(scan.full.entries, 'entry', 'entries')}</small>",
        )
    if watch is not None:
        yield "Watch", _watch(watch, config.scan.interval)
        given_up = watch.failed.get(report.driver or "", 0)
        yield "Layers given up", f"{number(given_up)}<br><small>begun but never finished</small>"


def _watch(watch: WatchState, interval: float) -> str:
    counted = f"{some(watch.events, 'event')}, {some(watch.overflows, 'overflow')}"
    if watch.active:
        return f"active<br><small>{counted}</small>"
    why = f": {text(watch.trouble, _SENTENCE)}" if watch.trouble else ""
    return (
        f'<b class="warning">polling every {interval:g} s</b>'
        f"<br><small>changes are not seen as they happen{why}; {counted}</small>"
    )


def problems(found: Sequence[Problem], place: int) -> str:
    """List what is wrong, each with its place; `place` is the root's number on the page."""
    if not found:
        return ""
    items = "".join(
        f'<li><span class="reason">{text(p.reason)}</span> {name(p.where, _SENTENCE)}:'
        f" {text(p.what, _SENTENCE)}</li>"
        for p in found[:MOST_PROBLEMS]
    )
    more = len(found) - MOST_PROBLEMS
    rest = f"<p><small>and {number(more)} more, all in the report</small></p>" if more > 0 else ""
    return (
        f'<h3 id="problems-{place}">Problems <small>{len(found):,}</small></h3>'
        f"<ul>{items}</ul>{rest}"
    )
