"""The metrics, made fresh from the newest reports.

A scrape never touches the disk and no metric object outlives it: a root that is gone leaves
nothing behind. The values are those of the newest look, which is told by the timestamps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.telling.catalogue import CATALOGUE, FIGURES, PREFIX, Gauge
from exporter.telling.view import View


class ViewCollector(Collector):
    """Renders the catalogue from whatever view is current at each scrape."""

    def __init__(self, view: Callable[[], View], catalogue: Sequence[Gauge] = CATALOGUE) -> None:
        self._view = view
        self._catalogue = catalogue

    def collect(self) -> Iterator[Metric]:
        """Make all families anew from one view."""
        view = self._view()
        for gauge in self._catalogue:
            family = _family(gauge)
            for labels, value in gauge.samples(view):
                family.add_metric(labels, float(value))
            yield family

    def describe(self) -> Iterator[Metric]:
        """Name all families, without samples, so that `name[]` can select among them."""
        for gauge in self._catalogue:
            yield _family(gauge)


def _family(gauge: Gauge) -> GaugeMetricFamily | CounterMetricFamily:
    made = CounterMetricFamily if gauge.name.endswith("_total") else GaugeMetricFamily
    return made(PREFIX + gauge.name, gauge.help, labels=gauge.labels)


def to_text(view: View) -> str:
    """Write the metrics of roots in Prometheus' text format, for a textfile collector.

    Two files in its folder must not hold the same series, so what has no label `root` is left out.
    """
    registry = CollectorRegistry()
    registry.register(ViewCollector(lambda: view, [g for g in FIGURES if "root" in g.labels]))
    return generate_latest(registry).decode()
