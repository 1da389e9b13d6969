"""The page as text, made of reports alone."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statuses import (
    ACTIVE,
    CRITICAL,
    EVERY,
    EXHAUSTED,
    NOW,
    OK,
    PARTIAL,
    WARNING,
    image,
    root,
    status,
)

from exporter.config import Config, Thresholds
from exporter.model import Problem, Reason, RootReport
from exporter.telling.view import Loaded
from exporter.thinking.orders import WatchState
from exporter.web.page.document import POLICY, status_page
from exporter.web.page.images import fair_shares
from exporter.web.status import Status

VOID = {"meta", "br", "input", "rect"}
INLINE = {"a", "b", "bdi", "code", "small", "span", "time"}

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "\u202egnp.exe\u2066",
    "\udcff\udcfe",
    "</style></script><!--",
    "line\nbreak\x00\x1b[31m",
    "&amp;lt;",
)


class Outline(HTMLParser):
    """What a browser would build: elements, their attributes, and whether each is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), (tag, attrs)
        self.words += [] if tag in INLINE else [" "]
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.words += [] if tag in INLINE else [" "]
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def page_of(shown: Status) -> str:
    return status_page(shown, "/metrics", NOW)


def text_of(*reports: RootReport, **words: object) -> str:
    return Outline(page_of(status(*reports, **words))).text  # type: ignore[arg-type]


@pytest.mark.parametrize("reports", [(), EVERY[:1], EVERY], ids=["none", "one", "every state"])
def test_every_element_is_closed_and_named_once(reports: tuple[RootReport, ...]) -> None:
    outline = Outline(page_of(status(*reports)))
    assert outline.open == []
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_heading_of_a_table_says_what_it_heads() -> None:
    outline = Outline(page_of(status(*EVERY)))
    headings = [attributes for tag, attributes in outline.elements if tag == "th"]
    assert headings
    assert {heading.get("scope") for heading in headings} == {"row", "col"}


def test_nothing_is_styled_or_scripted_but_by_what_the_policy_names() -> None:
    outline = Outline(page_of(status(*EVERY)))
    assert sum(tag == "script" for tag, _ in outline.elements) == 1
    for tag, attributes in outline.elements:
        assert tag not in {"img", "link", "iframe", "form", "object", "base"}
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    assert "unsafe" not in POLICY
    assert POLICY.startswith("default-src 'none';")


@settings(deadline=None)
@given(st.text(min_size=1) | st.sampled_from(HOSTILE))
def test_a_name_from_disk_is_never_more_than_text(name: str) -> None:
    odd = replace(
        root(f"/{name}"),
        driver=name,
        fstype=name,
        images=(image(name, 3, 28, name),),
        tightest=image(name, 3).tightest,
        tightest_images=(name, name),
        problems=(Problem(name, name, Reason.IMAGE),),
    )
    plain = replace(odd, root="/r", driver="d", fstype="f", images=(image("i", 3, 28, "i"),))
    plain = replace(plain, problems=(Problem("i", "i", Reason.IMAGE),))
    watches = {odd.root: WatchState(trouble=name), "/r": WatchState(trouble="t")}
    hostile = page_of(status(odd, watches={odd.root: watches[odd.root]}))
    assert hostile.encode()
    outline, wanted = (
        Outline(hostile),
        Outline(page_of(status(plain, watches={"/r": watches["/r"]}))),
    )
    assert [tag for tag, _ in outline.elements] == [tag for tag, _ in wanted.elements]
    assert outline.open == []
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", "".join(outline.words))


def test_a_name_of_a_million_bytes_is_shortened_wherever_it_stands() -> None:
    endless = "x" * 1_000_000
    odd = replace(
        root(f"/{endless}", images=0),
        images=(image(endless, 3, 28, *[endless] * 50),),
        tightest=image(endless, 3).tightest,
        tightest_images=(endless,) * 50,
        problems=(Problem(endless, endless, Reason.IMAGE),) * 300,
    )
    assert len(page_of(status(odd))) < 130_000


def test_a_page_of_ten_roots_of_a_thousand_images_is_below_a_megabyte() -> None:
    page = page_of(status(*[root(f"/srv/{i}", 7, 1000) for i in range(10)]))
    assert len(page) < 1_000_000
    assert "the 200 with least left of 1,000" in page
    assert "800 images with more left: all in the report" in page


def test_all_thousand_images_of_one_root_are_there() -> None:
    page = page_of(status(root("/srv/a", 7, 1000)))
    assert all(f"service{i}:" in page for i in range(1000))
    assert "all in the report" not in page


@given(st.lists(st.integers(0, 5000), max_size=12), st.integers(0, 3000))
def test_rows_are_shared_fairly(wanted: list[int], most: int) -> None:
    shares = fair_shares(wanted, most)
    assert all(0 <= share <= want for share, want in zip(shares, wanted, strict=True))
    assert sum(shares) <= most
    assert sum(wanted) > most or shares == wanted
    cut = [share for share, want in zip(shares, wanted, strict=True) if share < want]
    assert not cut or max(shares) <= max(cut) + 1
    assert not cut or sum(shares) == most


def test_the_banner_names_the_worst_root_and_counts_the_others() -> None:
    told = text_of(OK, WARNING, EXHAUSTED, CRITICAL)
    assert told.index("Exhausted. 0 more layers fit, no links are left") < 200
    assert "images fails. /srv/exhausted 2 other roots need attention too." in told


def test_the_banner_says_when_nothing_is_about_to_stop() -> None:
    assert "Nothing is about to run out. 97 more layers fit, then depth runs out." in text_of(OK)
    assert "Nothing is about to run out. All 2 roots are ok." in text_of(OK, root("/b"))
    assert "Not all layers are counted. At most 97 more layers fit" in text_of(PARTIAL)


def test_before_anything_is_known_it_says_so() -> None:
    assert "Looking for storage roots." in text_of(ready=False)
    assert "No storage root was found. Name one" in text_of()
    told = text_of(watches={"/var/lib/docker": WatchState()}, ready=False)
    assert "/var/lib/docker pending" in told
    assert "The first scan is under way." in told


def test_before_all_is_counted_figures_are_at_most_and_at_least() -> None:
    told = text_of(PARTIAL)
    assert "at most 97 more layers fit, then depth runs out" in told
    assert "at least 51,000 of 65,000 links of one file" in told
    assert "62 % of image layers until all are counted, layers left means at most" in told


def test_coverage_that_is_nearly_whole_is_not_called_whole() -> None:
    nearly = replace(PARTIAL, scan=replace(PARTIAL.scan, coverage=0.9999))
    assert "99 % of image layers" in text_of(nearly)


def test_a_watch_that_is_lost_says_why() -> None:
    assert "active 1,234 events, 2 overflows" in text_of(OK)
    assert "Layers given up 3" in text_of(OK)
    lost = replace(ACTIVE, active=False, trouble="no inotify watch is left")
    told = text_of(OK, watches={OK.root: lost})
    assert "polling every 30 s" in told
    assert "changes are not seen as they happen: no inotify watch is left" in told


def test_the_configuration_in_force_is_shown_whole() -> None:
    config = Config(
        roots=("/srv/a",), links_limits={"/mnt/nfs": 32000}, thresholds=Thresholds(warning=33)
    )
    told = text_of(OK, config=config)
    assert "roots[0] /srv/a" in told
    assert "links_limits[/mnt/nfs] 32000" in told
    assert "thresholds.warning 33" in told
    assert "scan.interval 30.0" in told
    assert "--web.telemetry-path /metrics" in told
    assert "roots found on the host" in text_of(OK)


def test_roots_of_the_command_line_are_those_in_force() -> None:
    named = replace(status(OK, config=Config(roots=("/srv/a",))), named=("/srv/named",))
    told = Outline(page_of(named)).text
    assert "roots[0] /srv/named" in told
    assert "/srv/a" not in told


def test_a_configuration_that_was_refused_is_told() -> None:
    told = text_of(OK, loaded=Loaded(successful=False, at=NOW - 900))
    assert "The newest configuration was refused; the one in force was read 15 min ago." in told
    assert "was refused" not in text_of(OK)


def test_each_problem_has_its_place_and_the_roots_heading_counts_them() -> None:
    bad = replace(
        OK,
        problems=(
            Problem("/var/lib/docker/overlay/aa", "cannot be read", Reason.UNREADABLE),
            Problem("imagedb", "is not JSON", Reason.IMAGE),
        ),
    )
    told = text_of(bad)
    assert "/var/lib/docker overlay ok 2 problems" in told
    assert "unreadable /var/lib/docker/overlay/aa: cannot be read" in told
    assert "image imagedb: is not JSON" in told
    links = [a["href"] for tag, a in Outline(page_of(status(WARNING, bad))).elements if tag == "a"]
    assert "#problems-1" in links
    assert "#problems-0" not in links


def test_many_problems_and_settings_do_not_flood_the_page() -> None:
    many = replace(OK, problems=(Problem("/x", "y", Reason.IMAGE),) * 5000)
    limits = {f"/mnt/{i}": 7 for i in range(5000)}
    page = page_of(status(many, config=Config(links_limits=limits)))
    assert "and 4,950 more, all in the report" in page
    assert "--config.check shows all" in page
    assert len(page) < 80_000
