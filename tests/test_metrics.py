"""The metrics of frozen reports, as text."""

from __future__ import annotations

import platform
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as families

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
from exporter.telling.catalogue import FIGURES, WATCHES
from exporter.telling.metrics import ViewCollector, to_text
from exporter.telling.view import Loaded, View
from exporter.thinking.orders import WatchState

LEFT = {Resource.LINKS: 7, Resource.INODES: 900, Resource.DEPTH: 121}


def an_image(name: str | None, links: int | None) -> ImageFigures:
    left = LEFT | {Resource.LINKS: links}
    return ImageFigures("sha256:1", (name,) if name else (), 4, left, left, None)


REPORT = RootReport(
    root="/var/lib/docker",
    driver="overlay",
    up=True,
    fstype="ext4",
    limit=LinksLimit(65000, "table"),
    links_max=62000,
    inodes_over={1: 50, 10: 20, 100: 3, 1000: 2, 10000: 1, 50000: 1},
    layers={Kind.IMAGE: 12, Kind.CONTAINER: 2},
    depth_max=4,
    layers_left=LEFT,
    tightest=Tightest(7, "aa", 1, 62000, 400, "/hot"),
    images=(an_image("shop:1.4", 7), an_image(None, 8), an_image("base:1", 9)),
    problems=(Problem("/x", "y", Reason.IMAGE), Problem("/x", "z", Reason.IMAGE)),
    scan=ScanFacts(True, 1.0, 1_700_000_000.0, FullPass(2.5, 4000, 1_600_000_000.0)),
)

GOLDEN = """\
hardlink_root_up{root="/var/lib/docker"} 1.0
hardlink_root_info{driver="overlay",fstype="ext4",limit_source="table",root="/var/lib/docker"} 1.0
hardlink_links_limit{driver="overlay",root="/var/lib/docker"} 65000.0
hardlink_links_max{driver="overlay",root="/var/lib/docker"} 62000.0
hardlink_inodes{driver="overlay",links_over="1",root="/var/lib/docker"} 50.0
hardlink_inodes{driver="overlay",links_over="10",root="/var/lib/docker"} 20.0
hardlink_inodes{driver="overlay",links_over="100",root="/var/lib/docker"} 3.0
hardlink_inodes{driver="overlay",links_over="1000",root="/var/lib/docker"} 2.0
hardlink_inodes{driver="overlay",links_over="10000",root="/var/lib/docker"} 1.0
hardlink_inodes{driver="overlay",links_over="50000",root="/var/lib/docker"} 1.0
hardlink_layers{driver="overlay",kind="image",root="/var/lib/docker"} 12.0
hardlink_layers{driver="overlay",kind="container",root="/var/lib/docker"} 2.0
hardlink_layers{driver="overlay",kind="buildkit",root="/var/lib/docker"} 0.0
hardlink_layers{driver="overlay",kind="partial",root="/var/lib/docker"} 0.0
hardlink_layers{driver="overlay",kind="orphan",root="/var/lib/docker"} 0.0
hardlink_images{driver="overlay",root="/var/lib/docker"} 3.0
hardlink_layer_depth_max{driver="overlay",root="/var/lib/docker"} 4.0
hardlink_layer_depth_limit{driver="overlay",root="/var/lib/docker"} 125.0
hardlink_layers_left{driver="overlay",resource="links",root="/var/lib/docker"} 7.0
hardlink_layers_left{driver="overlay",resource="inodes",root="/var/lib/docker"} 900.0
hardlink_layers_left{driver="overlay",resource="depth",root="/var/lib/docker"} 121.0
hardlink_image_layers_left{driver="overlay",image="shop:1.4",resource="links",root="/var/lib/docker"} 7.0
hardlink_image_layers_left{driver="overlay",image="shop:1.4",resource="inodes",root="/var/lib/docker"} 900.0
hardlink_image_layers_left{driver="overlay",image="base:1",resource="links",root="/var/lib/docker"} 9.0
hardlink_image_layers_left{driver="overlay",image="base:1",resource="inodes",root="/var/lib/docker"} 900.0
hardlink_scan_timestamp_seconds{driver="overlay",root="/var/lib/docker"} 1.7e+09
hardlink_full_scan_timestamp_seconds{driver="overlay",root="/var/lib/docker"} 1.6e+09
hardlink_scan_duration_seconds{driver="overlay",root="/var/lib/docker"} 2.5
hardlink_scan_entries{driver="overlay",root="/var/lib/docker"} 4000.0
hardlink_scan_coverage_ratio{driver="overlay",root="/var/lib/docker"} 1.0
hardlink_problems{driver="overlay",reason="root",root="/var/lib/docker"} 0.0
hardlink_problems{driver="overlay",reason="unreadable",root="/var/lib/docker"} 0.0
hardlink_problems{driver="overlay",reason="lineage",root="/var/lib/docker"} 0.0
hardlink_problems{driver="overlay",reason="image",root="/var/lib/docker"} 2.0
hardlink_problems{driver="overlay",reason="changed",root="/var/lib/docker"} 0.0
hardlink_problems{driver="overlay",reason="drift",root="/var/lib/docker"} 0.0
hardlink_problems{driver="overlay",reason="tar_split",root="/var/lib/docker"} 0.0
hardlink_problems{driver="overlay",reason="mount",root="/var/lib/docker"} 0.0
hardlink_problems{driver="overlay",reason="limit_unknown",root="/var/lib/docker"} 0.0
hardlink_problems{driver="overlay",reason="limit_exceeded",root="/var/lib/docker"} 0.0
"""


def lines(*reports: RootReport, images: int = 10) -> str:
    """The sample lines, without HELP and TYPE."""
    view = View(reports, "1.2", images)
    text = to_text(view)
    return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#"))


def named(name: str, *reports: RootReport, images: int = 10) -> list[str]:
    start = f"hardlink_{name}"
    return [
        line
        for line in lines(*reports, images=images).splitlines()
        if line.startswith((f"{start}{{", f"{start} "))
    ]


def test_a_report_gives_exactly_these_lines() -> None:
    assert lines(REPORT) == GOLDEN


def test_what_is_unknown_has_no_sample() -> None:
    unknown = replace(
        REPORT,
        limit=LinksLimit(None, "none"),
        layers_left={Resource.LINKS: None, Resource.DEPTH: 3},
        inodes_over=None,
        links_max=None,
        images=(an_image("shop:1.4", None),),
    )
    for gone in ("links_limit", "inodes", "links_max"):
        assert named(gone, unknown) == []
    assert [x.split('resource="')[1][:5] for x in named("layers_left", unknown)] == ["depth"]
    assert len(named("image_layers_left", unknown)) == 1


def test_a_root_that_is_down_has_only_its_up_and_its_problems() -> None:
    down = RootReport("/gone", ScanFacts(False, 0, 1.0))
    others = [x for x in lines(down).splitlines() if "problems" not in x]
    assert others == ['hardlink_root_up{root="/gone"} 0.0']


def test_a_root_with_two_drivers_is_up_when_one_is() -> None:
    half = replace(REPORT, driver="overlay2", up=False)
    assert named("root_up", REPORT, half) == ['hardlink_root_up{root="/var/lib/docker"} 1.0']


def test_images_are_those_with_least_left_ties_by_name_and_none_when_turned_off() -> None:
    many = replace(
        REPORT, images=tuple(an_image(f"i{i:02}:1", 5 if i % 2 else 6) for i in range(30))
    )
    shown = [x.split('image="')[1][:3] for x in named("image_layers_left", many, images=4)][::2]
    assert shown == ["i01", "i03", "i05", "i07"]
    assert named("image_layers_left", many, images=0) == []


def test_every_metric_has_its_help_and_type_even_without_samples() -> None:
    text = to_text(View((), "1.2", 10))
    helped = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP")]
    assert helped == [f"hardlink_{gauge.name}" for gauge in FIGURES if "root" in gauge.labels]
    assert not [name for name in helped if "exporter" in name]


def test_the_daemon_tells_of_itself_as_well() -> None:
    view = View((), "1.2", 10, Loaded(True, 1_600_000_000.0))
    registry = CollectorRegistry()
    registry.register(ViewCollector(lambda: view))
    told = [x for x in generate_latest(registry).decode().splitlines() if not x.startswith("#")]
    assert told == [
        f'hardlink_exporter_build_info{{python="{platform.python_version()}",version="1.2"}} 1.0',
        "hardlink_exporter_config_last_reload_successful 1.0",
        "hardlink_exporter_config_last_reload_success_timestamp_seconds 1.6e+09",
    ]


def test_files_of_two_roots_in_one_folder_hold_no_series_twice() -> None:
    """node_exporter reads all files of its textfile folder as one, and refuses a series twice."""
    other = replace(REPORT, root="/data/docker")
    both = [
        line.rpartition(" ")[0] for report in (REPORT, other) for line in lines(report).splitlines()
    ]
    assert len(both) == 2 * len(GOLDEN.splitlines())
    assert len(both) == len(set(both))


@given(
    root=st.text(st.characters(codec="utf-8"), min_size=1),
    image=st.text(st.characters(codec="utf-8"), min_size=1),
)
def test_any_text_in_a_label_comes_back_from_a_parser(root: str, image: str) -> None:
    report = replace(REPORT, root=root, images=(an_image(image, 3),))
    text = to_text(View((report,), "1.2", 10))
    found = {
        (s.labels["root"], s.labels["image"], s.value)
        for f in families(text.replace("\r", "\\r"))
        if f.name == "hardlink_image_layers_left"
        for s in f.samples
        if s.labels["resource"] == "links"
    }
    assert found == {(root.replace("\r", "\\r"), image.replace("\r", "\\r"), 3)}


def test_the_watch_is_told_by_root_and_layers_given_up_by_driver() -> None:
    watch = WatchState(active=True, events=7, overflows=1, failed={"overlay": 2})
    view = View((REPORT,), "1.2", 10, watches={REPORT.root: watch})
    registry = CollectorRegistry()
    registry.register(ViewCollector(lambda: view, WATCHES))
    told = [x for x in generate_latest(registry).decode().splitlines() if not x.startswith("#")]
    assert told == [
        'hardlink_failed_layers_total{driver="overlay",root="/var/lib/docker"} 2.0',
        'hardlink_watch_active{root="/var/lib/docker"} 1.0',
        'hardlink_watch_events_total{root="/var/lib/docker"} 7.0',
        'hardlink_watch_overflows_total{root="/var/lib/docker"} 1.0',
    ]
