"""What the page may have to show: made reports of roots in every state."""

from __future__ import annotations

from dataclasses import replace

from exporter.config import Config
from exporter.model import (
    FullPass,
    ImageFigures,
    Kind,
    LinksLimit,
    Problem,
    Reason,
    Resource,
    RootReport,
    ScanFacts,
    Tightest,
)
from exporter.telling.view import Loaded, View
from exporter.thinking.orders import WatchState
from exporter.web.status import Status

NOW = 1_700_000_000.0

ACTIVE = WatchState(active=True, events=1234, overflows=2, failed={"overlay": 3})


def left(links: int | None, inodes: int = 812_345, depth: int = 97) -> dict[Resource, int | None]:
    return {Resource.LINKS: links, Resource.INODES: inodes, Resource.DEPTH: depth}


def image(name: str, links: int | None, depth: int = 28, *more: str) -> ImageFigures:
    tight = None
    if links is not None:
        tight = Tightest(links, "aa", 1, 65000 - links * 20, 20, f"/usr/lib/{name}/core")
    figures = left(links, depth=125 - depth)
    return ImageFigures(f"sha256:{name}", (name, *more), depth, figures, figures, tight)


def root(path: str, links: int | None = 700, images: int = 3) -> RootReport:
    """A root in good health; its images have `links`, `links + 1` and so on layers left."""
    rows = tuple(
        image(f"shop/service{i}:1.{i}", None if links is None else links + i) for i in range(images)
    )
    return RootReport(
        root=path,
        driver="overlay",
        up=True,
        fstype="ext4",
        limit=LinksLimit(65000, "table"),
        links_max=None if links is None else 65000 - links * 20,
        inodes_over={},
        layers={Kind.IMAGE: 412, Kind.CONTAINER: 6},
        depth_max=28,
        layers_left=left(links),
        tightest=rows[0].tightest if rows else None,
        tightest_images=tuple(row.known_as for row in rows),
        images=rows,
        scan=ScanFacts(True, 1.0, NOW - 3, FullPass(2.51, 4_000_000, NOW - 4000)),
    )


OK = root("/var/lib/docker")
WARNING = root("/srv/warning", 12)
CRITICAL = root("/srv/critical", 3)
EXHAUSTED = root("/srv/exhausted", 0)
DOWN = RootReport(
    "/mnt/gone",
    ScanFacts(False, 0.0, NOW - 3),
    problems=(Problem("/mnt/gone", "there is no such folder", Reason.ROOT),),
)
PARTIAL = replace(root("/srv/partial"), scan=ScanFacts(False, 0.627, NOW - 1))
UNKNOWN = replace(
    root("/mnt/nfs", None),
    fstype="nfs4",
    limit=LinksLimit(None, "none"),
    links_max=4711,
    problems=(Problem("/mnt/nfs", "the links limit of nfs4 is not known", Reason.LIMIT_UNKNOWN),),
)
OVERLAY2 = replace(
    root("/srv/modern"),
    driver="overlay2",
    layers_left={Resource.DEPTH: 97},
    tightest=None,
    tightest_images=(),
    images=(
        replace(
            image("api:2", None),
            layers_left={Resource.DEPTH: 97},
            chain_layers_left={Resource.DEPTH: 97},
        ),
    ),
)
STALE = replace(root("/srv/stale"), scan=replace(OK.scan, looked=NOW - 3600))
DEEP = replace(root("/srv/deep"), layers_left=left(700, depth=4))
EMPTY = replace(
    root("/srv/empty", images=0),
    layers={},
    layers_left={Resource.DEPTH: 125},
    depth_max=0,
    links_max=None,
)

EVERY = (OK, WARNING, CRITICAL, EXHAUSTED, DOWN, PARTIAL, UNKNOWN, OVERLAY2, STALE, DEEP, EMPTY)


def status(
    *reports: RootReport,
    watches: dict[str, WatchState] | None = None,
    config: Config | None = None,
    ready: bool = True,
    loaded: Loaded | None = None,
) -> Status:
    """A moment of the daemon with these reports; who is watched without one is waited for."""
    known = {report.root: ACTIVE for report in reports} if watches is None else watches
    read = loaded or Loaded(successful=True, at=NOW - 600)
    waiting = {path: 5.0 for path in known if path not in {one.root for one in reports}}
    return Status(View(reports, "1.2", 10, read, known, waiting), config or Config(), ready)
