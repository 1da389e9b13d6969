"""The configuration in force, as the page shows it. The web configuration, with its secrets, is no part of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from exporter.telling.view import Loaded
from exporter.web.page.markup import moment, name, number, text
from exporter.web.status import Status

MOST_ROWS: Final = 100
_VALUE: Final = 300


def settings(status: Status, metrics_path: str, now: float) -> str:
    """Write every key with its value, and how the newest reading of the file went."""
    rows = list(_rows(status, metrics_path))
    body = "".join(
        f'<tr><th scope="row"><code>{text(key)}</code></th><td>{name(value, _VALUE)}</td></tr>'
        for key, value in rows[:MOST_ROWS]
    )
    more = len(rows) - MOST_ROWS
    rest = (
        f"<p><small>and {number(more)} more: --config.check shows all</small></p>"
        if more > 0
        else ""
    )
    read = (
        f"<p><small>read {moment(status.view.loaded.at, now)}</small></p>"
        if status.view.loaded
        else ""
    )
    return (
        '<section class="card" id="configuration"><details><summary><h2>Configuration in force</h2>'
        f'</summary>{read}<table><thead><tr><th scope="col">Key</th><th scope="col">Value</th></tr>'
        f"</thead><tbody>{body}</tbody></table>{rest}</details></section>"
    )


def refused(loaded: Loaded | None, now: float) -> str:
    """Warn where the newest configuration was refused."""
    if loaded is None or loaded.successful:
        return ""
    return (
        '<p class="notice warning">The newest configuration was refused; the one in force was read'
        f" {moment(loaded.at, now)}. The log says why.</p>"
    )


def _rows(status: Status, metrics_path: str) -> Iterator[tuple[str, str]]:
    document = status.config.model_dump(mode="json")
    if status.named:
        document["roots"] = status.named
    if not document["roots"]:
        document["roots"] = "found on the host"
    yield from _flat("", document)
    yield "--path.rootfs", status.rootfs
    yield "--web.telemetry-path", metrics_path


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Each leaf of a document under the path of its keys."""
    if isinstance(value, Mapping) and value:
        for part, below in value.items():
            path = f"{key}.{part}" if str(part).isidentifier() else f"{key}[{part}]"
            yield from _flat(path if key else str(part), below)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for i, below in enumerate(value):
            yield from _flat(f"{key}[{i}]", below)
    else:
        yield key, "none" if value is None or value in ({}, [], ()) else str(value)
