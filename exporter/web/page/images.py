"""The table of a root's images, tightest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.config import Config
from exporter.model import ImageFigures, LayersLeft, Resource, RootReport
from exporter.telling.assessment import level_of
from exporter.web.page.markup import name, names, number, some

MOST_ROWS: Final = 2000
"""Images shown on one page, of all roots together, so that it stays below a megabyte."""

_NAME: Final = 120
_PATH: Final = 160


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: the class of its cells, its heading, and what a cell holds as HTML."""

    kind: str
    heading: str
    cell: Callable[[ImageFigures], str]


def fair_shares(wanted: Sequence[int], most: int = MOST_ROWS) -> list[int]:
    """Share `most` rows among roots: a small root takes all it wants, large ones share the rest."""
    shares = [0] * len(wanted)
    left = most
    by_size = sorted(range(len(wanted)), key=lambda i: wanted[i])
    for done, i in enumerate(by_size):
        shares[i] = min(wanted[i], left // (len(wanted) - done))
        left -= shares[i]
    return shares


def images_table(report: RootReport, config: Config, place: int, rows: int) -> str:
    """Write the table; `rows` is how many images may be in it."""
    images = report.images[:rows]
    if not report.images:
        return "<h3>Images</h3><p>No image yet.</p>" if report.up else ""
    columns = _columns(images, config)
    headings = "".join(
        f'<th scope="col" class="{c.kind}"><button type="button" disabled>{c.heading}</button></th>'
        for c in columns
    )
    body = "".join(f"<tr>{''.join(c.cell(image) for c in columns)}</tr>" for image in images)
    cut = len(report.images) - len(images)
    shown = f"the {len(images):,} with least left of " if cut else ""
    note = (
        f"<p><small>{some(cut, 'image')} with more left: all in the report</small></p>"
        if cut
        else ""
    )
    return (
        f'<h3 id="images-{place}">Images <small>{shown}{len(report.images):,}</small>'
        ' <small class="found"></small></h3>'
        f'<div class="rows" tabindex="0" role="region" aria-labelledby="images-{place}">'
        f'<table class="images" aria-labelledby="images-{place} name-{place}"><thead><tr>{headings}'
        f"</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


def _columns(images: Sequence[ImageFigures], config: Config) -> list[_Column]:
    """Choose the columns: what can run out for no image of this root has none."""
    has = {resource for image in images for resource in image.layers_left}
    columns = [_Column("image", "Image", _image)]
    for resource, heading in _HEADINGS.items():
        if resource in has:
            columns.append(_Column(f"by-{resource}", heading, _left(resource, config)))
    if Resource.LINKS in has:
        columns.append(_Column("chain", "Left in chain", _chain(config)))
    columns.append(_Column("depth", "Depth", lambda image: f'<td class="depth">{image.depth}</td>'))
    if Resource.LINKS in has:
        columns.append(_Column("file", "Tightest file", _file))
    return columns


_HEADINGS: Final = {
    Resource.LINKS: "Left by links",
    Resource.INODES: "Left by inodes",
    Resource.DEPTH: "Left by depth",
}


def _image(image: ImageFigures) -> str:
    more = f"<small>{names(image.names[1:], 3)}</small>" if len(image.names) > 1 else ""
    return f'<th scope="row">{name(image.known_as, _NAME)}{more}</th>'


def _left(resource: Resource, config: Config) -> Callable[[ImageFigures], str]:
    def cell(image: ImageFigures) -> str:
        left = image.layers_left
        if resource not in left:
            return f'<td class="by-{resource}">-</td>'
        level = level_of(resource, left[resource], config)
        return f'<td class="by-{resource} {level.word}">{number(left[resource])}</td>'

    return cell


def _chain(config: Config) -> Callable[[ImageFigures], str]:
    def cell(image: ImageFigures) -> str:
        left: LayersLeft = image.chain_layers_left or {}
        if image.chain_layers_left is not None and Resource.LINKS not in left:
            return '<td class="chain">-</td>'
        least = left.get(Resource.LINKS)
        level = level_of(Resource.LINKS, least, config)
        return f'<td class="chain {level.word}">{number(least)}</td>'

    return cell


def _file(image: ImageFigures) -> str:
    tight = image.tightest
    if tight is None:
        return '<td class="file">-</td>'
    return (
        f'<td class="file">{name(tight.path, _PATH)}'
        f" <small>{some(tight.links, 'link')}, {some(tight.names, 'name')}</small></td>"
    )
