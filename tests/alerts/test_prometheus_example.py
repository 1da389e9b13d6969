"""The example configuration of Prometheus, and whether its limits fit what the exporter says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from prometheus import promtool
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as families
from prometheus_client.samples import Sample

from exporter.alerting import Alerts
from exporter.config import Metrics
from exporter.model import (
    FullPass,
    ImageFigures,
    Kind,
    LinksLimit,
    Resource,
    RootReport,
    ScanFacts,
)
from exporter.telling.metrics import ViewCollector
from exporter.telling.view import Loaded, View
from exporter.thinking.orders import WatchState

EXAMPLE = Path(__file__).parent.parent.parent / "deploy/prometheus/prometheus.yml"

ROOTS = 10
OWN = 10
"""Series of the exporter itself: three of ours, python_info, and six process_*."""

LONGEST_PATH = 4095
"""Source: linux/limits.h, PATH_MAX, without its NUL."""

LONGEST_IMAGE = 255 + 1 + 128
"""A name and a tag. Source: github.com/distribution/reference, NameTotalLengthMax and TagRegexp."""


def job() -> dict[str, Any]:
    (found,) = yaml.safe_load(EXAMPLE.read_text())["scrape_configs"]
    assert isinstance(found, dict)
    return found


def full_root(path: str, most: int) -> RootReport:
    """A root of which everything is told, with the longest names that the engine takes."""
    left = {Resource.LINKS: 3, Resource.INODES: 3, Resource.DEPTH: 3}
    images = tuple(
        ImageFigures(f"sha256:{i}", (f"{i}{'n' * (LONGEST_IMAGE - 1)}",), 4, left, left, None)
        for i in range(most)
    )
    return RootReport(
        root=path,
        driver="overlay",
        up=True,
        fstype="ext4",
        limit=LinksLimit(65000, "table"),
        links_max=62000,
        inodes_over=dict.fromkeys((1, 10, 100, 1000, 10000, 50000), 1),
        layers={Kind.IMAGE: 12},
        depth_max=4,
        layers_left=left,
        images=images,
        scan=ScanFacts(True, 1.0, 1.0, FullPass(2.5, 4000, 1.0)),
    )


def exposition(roots: int, images: int = Metrics().images) -> bytes:
    """What so many full roots tell, each with so many images, as `metrics.images` allows."""
    reports = [full_root(f"{i}/{'r' * (LONGEST_PATH - 2)}", images) for i in range(roots)]
    watches = {r.root: WatchState(True, 1, 0, {"overlay": 1}) for r in reports}
    view = View(tuple(reports), "1.2", images, Loaded(True, 1.0), watches)
    registry = CollectorRegistry()
    registry.register(ViewCollector(lambda: view))
    return generate_latest(registry)


def samples(raw: bytes) -> list[Sample]:
    return [sample for family in families(raw.decode()) for sample in family.samples]


def test_prometheus_takes_the_example_with_its_rules() -> None:
    assert "SUCCESS" in promtool("check", "config", EXAMPLE)


def test_the_job_is_the_one_that_the_alerts_are_about() -> None:
    assert job()["job_name"] == Alerts().job


def test_ten_full_roots_are_within_a_third_of_the_sample_limit_and_one_more_root_costs_60() -> None:
    ten = len(samples(exposition(ROOTS)))
    assert (ten, len(samples(exposition(1)))) == (ROOTS * 60 + 3, 63)
    assert 3 * (ten + OWN) < job()["sample_limit"]


def test_ten_roots_with_50_images_each_are_within_the_sample_limit_which_is_why_it_says_50() -> (
    None
):
    assert "above 50 raise the limit" in EXAMPLE.read_text()
    assert len(samples(exposition(ROOTS, 50))) + OWN < job()["sample_limit"]
    assert len(samples(exposition(ROOTS, 100))) + OWN > job()["sample_limit"]


def test_the_longest_names_that_the_system_takes_are_within_the_limits_of_labels() -> None:
    limits, told = job(), samples(exposition(1))
    target = {"job", "instance", "__name__"}
    assert max(len(s.labels) + len(target) for s in told) < limits["label_limit"]
    names = {name for s in told for name in s.labels}
    assert max(map(len, names | target)) < limits["label_name_length_limit"]
    assert max(len(v) for s in told for v in s.labels.values()) >= LONGEST_PATH
    assert all(
        len(v) <= limits["label_value_length_limit"] for s in told for v in s.labels.values()
    )


def test_the_longest_exposition_is_within_the_limit_of_a_body() -> None:
    assert job()["body_size_limit"] == "4MB"
    assert len(exposition(ROOTS)) < 4_000_000
