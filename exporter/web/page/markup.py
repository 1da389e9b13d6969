"""Pieces of HTML. Every name from disk is shortened, made visible and escaped here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import Final

from exporter.telling.assessment import Level
from exporter.text import one_line

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


def text(raw: str, most: int = 200) -> str:
    """Give any text as one escaped line of at most `most` characters, cut in its middle."""
    if len(raw) > 2 * most:  # a name may have a million: only its ends are worth the work
        raw = f"{raw[:most]}…{raw[-most:]}"
    return escape(one_line(raw, most))


def name(raw: str, most: int = 200) -> str:
    """A name from disk, kept from reordering what stands around it."""
    return f"<bdi>{text(raw, most)}</bdi>"


def names(all_names: tuple[str, ...], most: int = 5) -> str:
    """Give the first few of many names, and say how many more there are."""
    shown = ", ".join(name(one, 120) for one in all_names[:most])
    more = len(all_names) - most
    return f"{shown} and {number(more)} more" if more > 0 else shown


def sentence(raw: str, most: int = 400) -> str:
    """A sentence with its capital, without its full stop."""
    return text(raw[:1].upper() + raw[1:], most)


def number(n: int | None) -> str:
    """A number with its thousands apart; one that is not known is a question mark."""
    return "?" if n is None else f"{n:,}"


def some(n: int, one: str, many: str = "") -> str:
    """Count things: `1 layer`, `2 layers`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def age(seconds: float) -> str:
    """Say how long ago something was. `page.js` says it in the same words as time goes on."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole} s ago"
    if whole < HOUR:
        return f"{whole // MINUTE} min ago"
    if whole < 2 * DAY:
        return f"{whole // HOUR} h ago"
    return f"{whole // DAY} days ago"


def moment(at: float, now: float) -> str:
    """A unix time as its age, with the time itself for whoever asks."""
    exact = datetime.fromtimestamp(at, UTC)
    return (
        f'<time datetime="{exact:%Y-%m-%dT%H:%M:%SZ}" title="{exact:%Y-%m-%d %H:%M:%S} UTC"'
        f' data-at="{at:.3f}">{age(now - at)}</time>'
    )


def chip(level: Level) -> str:
    """The level in its colour."""
    return f'<span class="chip {level.word}">{level.word}</span>'


def gauge(what: str, used: int, most: int, level: Level) -> str:
    """Draw how much of a limit is used. The bar is a picture; its figures are said to all."""
    part = min(1.0, used / most)
    said = f"{used:,} of {most:,}"
    return (
        f'<svg class="gauge {level.word}" role="meter" aria-label="{escape(what)}"'
        f' aria-valuemin="0" aria-valuemax="{most}" aria-valuenow="{min(used, most)}"'
        f' aria-valuetext="{said}"><rect class="all" width="100%" height="100%" rx="3"/>'
        f'<rect class="used" width="{part * 100:.2f}%" height="100%" rx="3"/></svg>'
    )


def facts(heading: str, rows: Iterable[tuple[str, str]]) -> str:
    """A list of terms, each with what is known of it, which is HTML already."""
    body = "".join(f"<div><dt>{term}</dt><dd>{told}</dd></div>" for term, told in rows)
    return f"<h3>{heading}</h3><dl>{body}</dl>"
