"""How the samples of metrics are found in what is exported at one moment."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator

from exporter.model import (
    FullPass,
    ImageFigures,
    Reason,
    Resource,
    RootReport,
)
from exporter.telling.view import Loaded, View
from exporter.thinking.orders import WatchState

Sample = tuple[tuple[str, ...], float]


def build_info_samples(view: View) -> Iterator[Sample]:
    """The versions."""
    yield (view.version, platform.python_version()), 1


def loaded(read: Callable[[Loaded], float]) -> Callable[[View], Iterator[Sample]]:
    """A fact of the configuration, where there is one."""

    def samples(view: View) -> Iterator[Sample]:
        if view.loaded is not None:
            yield (), read(view.loaded)

    return samples


def root_up_samples(view: View) -> Iterator[Sample]:
    """Whether each root is up: one of its drivers is enough."""
    up: dict[str, bool] = {}
    for report in view.reports:
        up[report.root] = up.get(report.root, False) or report.up
    for root, is_up in up.items():
        yield (root,), is_up


def driven(
    read: Callable[[RootReport], Iterable[Sample]],
) -> Callable[[View], Iterator[Sample]]:
    """The samples of every report that has figures, its root and driver put before their labels."""

    def samples(view: View) -> Iterator[Sample]:
        for report in view.reports:
            if report.up and report.driver is not None:
                for labels, value in read(report):
                    yield (report.root, report.driver, *labels), value

    return samples


def one(read: Callable[[RootReport], float | None]) -> Callable[[View], Iterator[Sample]]:
    """One value for each report, where it is known."""

    def samples(report: RootReport) -> Iterator[Sample]:
        if (value := read(report)) is not None:
            yield (), value

    return driven(samples)


def full(read: Callable[[FullPass], float]) -> Callable[[View], Iterator[Sample]]:
    """A fact of the newest full pass, where there was one."""
    return one(lambda report: read(report.scan.full) if report.scan.full else None)


def problems_samples(view: View) -> Iterator[Sample]:
    """Count each report's problems by reason, 0 included."""
    for report in view.reports:
        for reason in Reason:
            count = sum(p.reason is reason for p in report.problems)
            yield (report.root, report.driver or "", str(reason)), count


def layers_left_samples(report: RootReport) -> Iterator[Sample]:
    """What is left by resource, where it is known."""
    for resource, n in report.layers_left.items():
        if n is not None:
            yield (str(resource),), n


def images_left_samples(view: View) -> Iterator[Sample]:
    """What is left of the tightest images."""
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

    tagged = {i.known_as: i for i in reversed(report.images) if i.name is not None}
    return sorted(tagged.values(), key=left)[:most]


def watches(read: Callable[[WatchState], float]) -> Callable[[View], Iterator[Sample]]:
    """A fact of each root's watch."""

    def samples(view: View) -> Iterator[Sample]:
        for root, watch in view.watches.items():
            yield (root,), read(watch)

    return samples


def failed_samples(view: View) -> Iterator[Sample]:
    """The layers given up, by root and driver."""
    for report in view.reports:
        watch = view.watches.get(report.root)
        if watch is not None and report.driver is not None:
            yield (report.root, report.driver), watch.failed.get(report.driver, 0)
