"""The catalogue of metrics: each is named once, here, with how its samples are found."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from exporter.model import (
    DEPTH_LIMIT,
    FullPass,
    ImageFigures,
    Kind,
    Reason,
    Resource,
    RootReport,
)
from exporter.orders import WatchState
from exporter.view import Loaded, View

PREFIX: Final = "hardlink_"


Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric: its name without the prefix, its labels, and how its samples are found.

    A name that ends with `_total` is a counter's.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    samples: Callable[[View], Iterable[Sample]]


def _build_info(view: View) -> Iterator[Sample]:
    yield (view.version, platform.python_version()), 1


def _loaded(read: Callable[[Loaded], float]) -> Callable[[View], Iterator[Sample]]:
    def samples(view: View) -> Iterator[Sample]:
        if view.loaded is not None:
            yield (), read(view.loaded)

    return samples


def _root_up(view: View) -> Iterator[Sample]:
    up: dict[str, bool] = {}
    for report in view.reports:
        up[report.root] = up.get(report.root, False) or report.up
    for root, is_up in up.items():
        yield (root,), is_up


def _driven(
    read: Callable[[RootReport], Iterable[Sample]],
) -> Callable[[View], Iterator[Sample]]:
    """Give the samples of every report that has figures, its root and driver put before their labels."""

    def samples(view: View) -> Iterator[Sample]:
        for report in view.reports:
            if report.up and report.driver is not None:
                for labels, value in read(report):
                    yield (report.root, report.driver, *labels), value

    return samples


def _one(read: Callable[[RootReport], float | None]) -> Callable[[View], Iterator[Sample]]:
    def samples(report: RootReport) -> Iterator[Sample]:
        if (value := read(report)) is not None:
            yield (), value

    return _driven(samples)


def _full(read: Callable[[FullPass], float]) -> Callable[[View], Iterator[Sample]]:
    return _one(lambda report: read(report.scan.full) if report.scan.full else None)


def _problems(view: View) -> Iterator[Sample]:
    for report in view.reports:
        for reason in Reason:
            count = sum(p.reason is reason for p in report.problems)
            yield (report.root, report.driver or "", str(reason)), count


def _layers_left(report: RootReport) -> Iterator[Sample]:
    for resource, n in report.layers_left.items():
        if n is not None:
            yield (str(resource),), n


def _images_left(view: View) -> Iterator[Sample]:
    for report in view.reports:
        for image in tightest_images(report, view.images):
            for resource in (Resource.LINKS, Resource.INODES):
                n = image.layers_left.get(resource)
                if n is not None:
                    yield (report.root, report.driver or "", image.known_as, str(resource)), n


def tightest_images(report: RootReport, most: int) -> list[ImageFigures]:
    """Choose the tagged images with least left by links, ties by name."""

    def left(image: ImageFigures) -> tuple[float, str]:
        n = image.layers_left.get(Resource.LINKS)
        return float("inf") if n is None else n, image.known_as

    return sorted((i for i in report.images if i.name is not None), key=left)[:most]


def _watches(read: Callable[[WatchState], float]) -> Callable[[View], Iterator[Sample]]:
    def samples(view: View) -> Iterator[Sample]:
        for root, watch in view.watches.items():
            yield (root,), read(watch)

    return samples


def _failed(view: View) -> Iterator[Sample]:
    for report in view.reports:
        watch = view.watches.get(report.root)
        if watch is not None and report.driver is not None:
            yield (report.root, report.driver), watch.failed.get(report.driver, 0)


ROOT: Final = ("root",)
DRIVER: Final = ("root", "driver")

_AT_MOST: Final = "Until hardlink_scan_coverage_ratio is 1 it means 'at most'."

CATALOGUE: Final = (
    Gauge(
        "exporter_build_info",
        "Constant 1, labelled with the exporter's version and the Python it runs on.",
        ("version", "python"),
        _build_info,
    ),
    Gauge(
        "exporter_config_last_reload_successful",
        "Whether the last attempt to read the configuration succeeded.",
        (),
        _loaded(lambda loaded: loaded.successful),
    ),
    Gauge(
        "exporter_config_last_reload_success_timestamp_seconds",
        "When the configuration was last read successfully.",
        (),
        _loaded(lambda loaded: loaded.at),
    ),
    Gauge("root_up", "1 if the last look at this root gave figures.", ROOT, _root_up),
    Gauge(
        "root_info",
        "Constant 1, labelled with the root's filesystem and where its links limit comes from"
        " (table, config, none).",
        (*DRIVER, "fstype", "limit_source"),
        _driven(lambda r: [((r.fstype or "", r.limit.source), 1)]),
    ),
    Gauge(
        "links_limit",
        "The most hard links one inode may have on the root's filesystem.",
        DRIVER,
        _one(lambda r: r.limit.value),
    ),
    Gauge(
        "links_max",
        "The highest link count of any regular file in the root's layers."
        " Until hardlink_scan_coverage_ratio is 1 it means 'at least'.",
        DRIVER,
        _one(lambda r: r.links_max),
    ),
    Gauge(
        "inodes",
        "Distinct regular files with more hard links than links_over; absent until all layers"
        " are counted.",
        (*DRIVER, "links_over"),
        _driven(lambda r: [((str(n),), c) for n, c in (r.inodes_over or {}).items()]),
    ),
    Gauge(
        "layers",
        "Layers by kind: image, container, buildkit, partial (being made or removed), orphan.",
        (*DRIVER, "kind"),
        _driven(lambda r: [((str(k),), r.layers.get(k, 0)) for k in Kind]),
    ),
    Gauge("images", "Images, as docker images shows them.", DRIVER, _one(lambda r: len(r.images))),
    Gauge(
        "layer_depth_max",
        "Number of layers from the base to the deepest image layer.",
        DRIVER,
        _one(lambda r: r.depth_max),
    ),
    Gauge(
        "layer_depth_limit",
        "The most layers in one chain that the engine allows.",
        DRIVER,
        _one(lambda _: DEPTH_LIMIT),
    ),
    Gauge(
        "layers_left",
        "How many more layers can be stacked before this resource runs out, the least over all"
        f" image layers of the root. {_AT_MOST}",
        (*DRIVER, "resource"),
        _driven(_layers_left),
    ),
    Gauge(
        "image_layers_left",
        "How many more layers can be stacked on this image before this resource runs out; only"
        " the tagged images with least left by links.",
        (*DRIVER, "image", "resource"),
        _images_left,
    ),
    Gauge(
        "scan_timestamp_seconds",
        "When the figures were last known to be current.",
        DRIVER,
        _one(lambda r: r.scan.looked),
    ),
    Gauge(
        "full_scan_timestamp_seconds",
        "When the newest full pass over the root ended.",
        DRIVER,
        _full(lambda full: full.finished),
    ),
    Gauge(
        "scan_duration_seconds",
        "How long the newest full pass took.",
        DRIVER,
        _full(lambda full: full.seconds),
    ),
    Gauge(
        "scan_entries",
        "Directory entries that the newest full pass met.",
        DRIVER,
        _full(lambda full: full.entries),
    ),
    Gauge(
        "scan_coverage_ratio",
        "Image layers accounted for, of those present.",
        DRIVER,
        _one(lambda r: r.scan.coverage),
    ),
    Gauge(
        "problems",
        "Problems in the newest report, by reason; /api/v1/report names each.",
        (*DRIVER, "reason"),
        _problems,
    ),
    Gauge(
        "failed_layers_total",
        "Layers begun and given up while we watched; a layer that was built again though it"
        " existed already looks the same.",
        DRIVER,
        _failed,
    ),
    Gauge(
        "watch_active",
        "1 if changes are seen as they happen, 0 if only by polling.",
        ROOT,
        _watches(lambda watch: watch.active),
    ),
    Gauge(
        "watch_events_total",
        "Events of the folders where the engine leaves its marks.",
        ROOT,
        _watches(lambda watch: watch.events),
    ),
    Gauge(
        "watch_overflows_total",
        "How often the kernel dropped events because too many came at once.",
        ROOT,
        _watches(lambda watch: watch.overflows),
    ),
)
