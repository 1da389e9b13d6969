"""The metrics, made fresh from the newest reports.

A scrape never touches the disk and no metric object outlives it: a root that is gone leaves
nothing behind. The values are those of the newest look, which is told by the timestamps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.catalogue import CATALOGUE, PREFIX
from exporter.view import View


class ViewCollector(Collector):
    """Renders the catalogue from whatever view is current at each scrape."""

    def __init__(self, view: Callable[[], View]) -> None:
        self._view = view

    def collect(self) -> Iterator[Metric]:
        """Make all families anew from one view."""
        view = self._view()
        for gauge in CATALOGUE:
            family = GaugeMetricFamily(PREFIX + gauge.name, gauge.help, labels=gauge.labels)
            for labels, value in gauge.samples(view):
                family.add_metric(labels, float(value))
            yield family

    def describe(self) -> Iterator[Metric]:
        """Name all families, without samples, so that `name[]` can select among them."""
        for gauge in CATALOGUE:
            yield GaugeMetricFamily(PREFIX + gauge.name, gauge.help, labels=gauge.labels)


def to_text(view: View) -> str:
    """Write the metrics in Prometheus' text format, for a textfile collector."""
    registry = CollectorRegistry()
    registry.register(ViewCollector(lambda: view))
    return generate_latest(registry).decode()
