"""The catalogue of metrics: each is named once, here, with how its samples are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from exporter.model import DEPTH_LIMIT, Kind
from exporter.telling.samples import (
    Sample,
    build_info_samples,
    driven,
    failed_samples,
    full,
    images_left_samples,
    layers_left_samples,
    loaded,
    one,
    problems_samples,
    root_up_samples,
    watches,
)
from exporter.telling.view import View

PREFIX: Final = "hardlink_"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric: its name without the prefix, its labels, and how its samples are found.

    A name that ends with `_total` is a counter's.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    samples: Callable[[View], Iterable[Sample]]


ROOT: Final = ("root",)
DRIVER: Final = ("root", "driver")

_AT_MOST: Final = "Until hardlink_scan_coverage_ratio is 1 it means 'at most'."

FIGURES: Final = (
    Gauge(
        "exporter_build_info",
        "Constant 1, labelled with the exporter's version and the Python it runs on.",
        ("version", "python"),
        build_info_samples,
    ),
    Gauge(
        "exporter_config_last_reload_successful",
        "Whether the last attempt to read the configuration succeeded.",
        (),
        loaded(lambda loaded: loaded.successful),
    ),
    Gauge(
        "exporter_config_last_reload_success_timestamp_seconds",
        "When the configuration was last read successfully.",
        (),
        loaded(lambda loaded: loaded.at),
    ),
    Gauge("root_up", "1 if the last look at this root gave figures.", ROOT, root_up_samples),
    Gauge(
        "root_info",
        "Constant 1, labelled with the root's filesystem and where its links limit comes from"
        " (table, config, none).",
        (*DRIVER, "fstype", "limit_source"),
        driven(lambda r: [((r.fstype or "", r.limit.source), 1)]),
    ),
    Gauge(
        "links_limit",
        "The most hard links one inode may have on the root's filesystem.",
        DRIVER,
        one(lambda r: r.limit.value),
    ),
    Gauge(
        "links_max",
        "The highest link count of any regular file in the root's layers."
        " Until hardlink_scan_coverage_ratio is 1 it means 'at least'.",
        DRIVER,
        one(lambda r: r.links_max),
    ),
    Gauge(
        "inodes",
        "Distinct regular files with more hard links than links_over; absent until all layers"
        " are counted.",
        (*DRIVER, "links_over"),
        driven(lambda r: [((str(n),), c) for n, c in (r.inodes_over or {}).items()]),
    ),
    Gauge(
        "layers",
        "Layers by kind: image, container, buildkit, partial (being made or removed), orphan.",
        (*DRIVER, "kind"),
        driven(lambda r: [((str(k),), r.layers.get(k, 0)) for k in Kind]),
    ),
    Gauge("images", "Images, as docker images shows them.", DRIVER, one(lambda r: len(r.images))),
    Gauge(
        "layer_depth_max",
        "Number of layers from the base to the deepest image layer.",
        DRIVER,
        one(lambda r: r.depth_max),
    ),
    Gauge(
        "layer_depth_limit",
        "The most layers in one chain that the engine allows.",
        DRIVER,
        one(lambda _: DEPTH_LIMIT),
    ),
    Gauge(
        "layers_left",
        "How many more layers can be stacked before this resource runs out, the least over all"
        f" image layers of the root. {_AT_MOST}",
        (*DRIVER, "resource"),
        driven(layers_left_samples),
    ),
    Gauge(
        "image_layers_left",
        "How many more layers can be stacked on this image before this resource runs out; only"
        " the tagged images with least left by links.",
        (*DRIVER, "image", "resource"),
        images_left_samples,
    ),
    Gauge(
        "scan_timestamp_seconds",
        "When the figures were last known to be current.",
        DRIVER,
        one(lambda r: r.scan.looked),
    ),
    Gauge(
        "full_scan_timestamp_seconds",
        "When the newest full pass over the root ended.",
        DRIVER,
        full(lambda full: full.finished),
    ),
    Gauge(
        "scan_duration_seconds",
        "How long the newest full pass took.",
        DRIVER,
        full(lambda full: full.seconds),
    ),
    Gauge(
        "scan_entries",
        "Directory entries that the newest full pass met.",
        DRIVER,
        full(lambda full: full.entries),
    ),
    Gauge(
        "scan_coverage_ratio",
        "Image layers accounted for, of those present.",
        DRIVER,
        one(lambda r: r.scan.coverage),
    ),
    Gauge(
        "problems",
        "Problems in the newest report, by reason; /api/v1/report names each.",
        (*DRIVER, "reason"),
        problems_samples,
    ),
)
"""What is told of roots, by `scan` and `serve` alike."""

WATCHES: Final = (
    Gauge(
        "failed_layers_total",
        "Layers begun and given up while we watched; a layer that was built again though it"
        " existed already looks the same.",
        DRIVER,
        failed_samples,
    ),
    Gauge(
        "watch_active",
        "1 if changes are seen as they happen, 0 if only by polling.",
        ROOT,
        watches(lambda watch: watch.active),
    ),
    Gauge(
        "watch_events_total",
        "Events of the folders where the engine leaves its marks.",
        ROOT,
        watches(lambda watch: watch.events),
    ),
    Gauge(
        "watch_overflows_total",
        "How often the kernel dropped events because too many came at once.",
        ROOT,
        watches(lambda watch: watch.overflows),
    ),
)
"""What only a daemon can tell."""

CATALOGUE: Final = FIGURES + WATCHES
