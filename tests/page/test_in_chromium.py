"""The page in a real Chromium: what a person sees, and what a hostile image cannot do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from browser import Browser, Page, chromium
from needs import PATIENCE, need_program
from serving import served
from stage import Stage, staged
from statuses import CRITICAL, EVERY, OK, WARNING, root, status

from exporter.demo.planted import PlantedRoot
from exporter.thinking.orders import WatchState
from exporter.web.page.document import SCRIPT
from exporter.web.page.markup import age

pytestmark = pytest.mark.tools

TAGS = (
    "<script>window.harmed = 1</script>:1",
    "\"'><img src=http://harm.invalid/x onerror=window.harmed=1>:1",
    "</style></script><svg onload=window.harmed=1>:1",
    "javascript:window.harmed=1",
    "right\u202eotfel\u2066:1",
    "lone\ud800:1",
    "new\nline\x1b[31m:1",
    f"{'endless' * 20_000}:1",
)

FILES = (
    b"<script>window.harmed=1<",
    b"\" onmouseover=window.harmed=1 '",
    b"not utf-8 \xff\xfe",
    "\u202egnp.exe".encode(),
    b"x" * 255,
)

SEEN = "[...document.querySelectorAll('.images tbody tr')].filter(r => !r.hidden)"
NAMES = f"{SEEN}.map(r => r.cells[0].querySelector('bdi').textContent)"
ASK = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A running Chromium, shared by all tests; each page has a profile of its own."""
    need_program("chromium", "bash")
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Serve the real page of whatever moment the test sets."""
    with staged() as on:
        yield on


def touch(tree: Path, name: str) -> None:
    (tree / name).touch()


def fill(page: Page, text: str) -> None:
    """Put the focus into the search by the keyboard's way and type."""
    page.run("document.getElementById('find').focus()")
    page.type(text)


def test_hostile_names_are_text_and_nothing_else(
    browser: Browser, planted: PlantedRoot, tmp_path: Path
) -> None:
    for i, tag in enumerate(TAGS):
        file = os.fsdecode(FILES[i % len(FILES)])
        planted.image(planted.layer((), partial(touch, name=file)), tag)
    with served(tmp_path, str(planted.path)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        origin = f"http://127.0.0.1:{daemon.port}/"
        with browser.page(origin) as page:
            shown = page.run(NAMES)
            assert len(shown) == len(TAGS)
            assert "<script>window.harmed = 1</script>:1" in shown
            assert max(map(len, shown)) <= 120
            assert all(name.isprintable() for name in shown)
            page.run(ASK)
            page.await_that(lambda: len(page.asked()) > 1)
            page.await_that("document.getElementById('state').textContent == 'Live,'")
            assert page.run("window.harmed") is None
            assert page.run("document.querySelectorAll('img, svg[onload], script').length") == 1
            assert page.complaints() == []
            assert set(page.asked()) == {origin}


def test_the_search_finds_images_and_files(browser: Browser, stage: Stage) -> None:
    stage.shown = status(root("/srv/a", 7, 30), root("/srv/b", 9, 30))
    with browser.page(stage.url) as page:
        assert page.run(f"{SEEN}.length") == 60
        fill(page, "SERVICE7:")
        assert page.run(NAMES) == ["shop/service7:1.7"] * 2
        found = "[...document.querySelectorAll('.found')].map(f => f.textContent)"
        assert page.run(found) == ["1 found", "1 found"]
        page.run("document.getElementById('find').select()")
        page.type("service8:1.8/core")
        assert page.run(NAMES) == ["shop/service8:1.8"] * 2, "by its tightest file"
        page.run("document.getElementById('find').select()")
        page.type("no such thing")
        assert page.run(f"{SEEN}.length") == 0
        assert page.run(found) == ["0 found", "0 found"]
        assert page.complaints() == []


def test_a_heading_sorts_its_column_up_then_down_then_not(browser: Browser, stage: Stage) -> None:
    stage.shown = status(root("/srv/a", 8, 4))
    last = "document.querySelector('.images th.by-links')"
    lefts = f"{SEEN}.map(r => r.cells[1].textContent)"
    with browser.page(stage.url) as page:
        as_served = page.run(lefts)
        assert as_served == ["8", "9", "10", "11"]
        page.run(f"{last}.querySelector('button').focus()")
        page.press("Enter", 13)
        assert page.run(f"{last}.ariaSort") == "ascending"
        assert page.run(lefts) == as_served
        page.press("Enter", 13)
        assert page.run(f"{last}.ariaSort") == "descending"
        assert page.run(lefts) == as_served[::-1]
        page.run(ASK)
        page.await_that(lambda: len(page.asked()) > 1)
        assert page.run(lefts) == as_served[::-1], "an answer does not undo it"
        page.press("Enter", 13)
        assert page.run(f"{last}.ariaSort") is None
        assert page.run(lefts) == as_served


def test_what_changes_is_shown_without_losing_the_readers_place(
    browser: Browser, planted: PlantedRoot, tmp_path: Path
) -> None:
    diffs = planted.layer((), lambda t: (t / "base").touch())
    for i in range(80):
        planted.image(diffs, f"app{i:02}:1")
    with served(tmp_path, str(planted.path)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        with browser.page(f"http://127.0.0.1:{daemon.port}/", height=400) as page:
            page.run("window.mine = document.querySelector('.images tbody tr')")
            page.run("document.querySelector('details').open = true")
            fill(page, "app")
            page.run("document.querySelector('.rows').scrollTop = 150; scrollTo(0, 300)")
            planted.image(planted.layer(diffs, lambda t: (t / "new").touch()), "app-new:1")
            page.await_that(f"{NAMES}.includes('app-new:1')")
            assert page.run("[scrollY, document.querySelector('.rows').scrollTop]") == [300, 150]
            assert page.run("document.activeElement.id") == "find"
            page.type("-new")
            assert page.run(NAMES) == ["app-new:1"]
            assert page.run("document.getElementById('find').value") == "app-new"
            assert page.run("document.querySelector('details').open") is True
            assert page.run("mine.isConnected") is True, "the same element, changed in its place"
            assert page.visits() == 1
            assert page.complaints() == []


def test_roots_come_and_go_on_an_open_page(browser: Browser, stage: Stage) -> None:
    stage.shown = status(watches={OK.root: WatchState()}, ready=False)
    headings = "[...document.querySelectorAll('h2')].map(h => h.textContent.trim())"
    with browser.page(stage.url) as page:
        assert page.run(headings)[0].split() == ["/var/lib/docker", "pending"]
        stage.shown = status(CRITICAL, OK, WARNING)
        page.run(ASK)
        page.await_that(f"{headings}.length == 4")
        assert page.run("document.title") == "critical · hardlink-exporter"
        assert page.run("document.querySelectorAll('button:disabled').length") == 0
        stage.shown = status(OK)
        page.run(ASK)
        page.await_that(f"{headings}.length == 2")
        assert page.run("document.querySelector('.banner').className") == "banner ok"
        assert page.complaints() == []


def test_a_daemon_that_is_gone_is_told_with_the_age_of_what_is_shown(
    browser: Browser, planted: PlantedRoot, tmp_path: Path
) -> None:
    planted.image(planted.layer((), lambda t: (t / "base").touch()), "base:1")
    told = "document.querySelector('header p').textContent"
    with served(tmp_path, str(planted.path)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        with browser.page(f"http://127.0.0.1:{daemon.port}/") as page:
            assert page.run(told).strip().startswith("Live, as of")
            daemon.process.terminate()
            daemon.process.wait(PATIENCE)
            page.run(ASK)
            page.await_that("document.documentElement.classList.contains('lost')")
            assert page.run(told).startswith("The daemon does not answer; what is shown is from")
            page.await_that(f"/from [1-9]\\d* s ago/.test({told})")
            assert "base:1" in page.run(NAMES)


def test_an_answer_that_is_not_the_page_is_not_shown(browser: Browser, stage: Stage) -> None:
    stage.shown = status(OK)
    told = "document.getElementById('state').textContent"
    with browser.page(stage.url) as page:
        stage.answer = 503
        page.run(ASK)
        page.await_that(f"{told} == 'The daemon answers with status 503;'")
        stage.answer = 200
        page.run(ASK)
        page.await_that(f"{told} == 'Live,'")
        assert not page.run("document.documentElement.classList.contains('lost')")


def test_without_scripts_the_page_is_whole_and_loads_anew(browser: Browser, stage: Stage) -> None:
    stage.shown = status(WARNING)
    with browser.page(stage.url, scripts=False) as page:
        document = page.call("DOM.getDocument", depth=-1)["root"]["nodeId"]
        html = page.call("DOM.getOuterHTML", nodeId=document)["outerHTML"]
        assert "Running low." in html
        assert "shop/service0:1.0" in html
        search = page.call("DOM.querySelector", nodeId=document, selector="#find")["nodeId"]
        assert drawn(page, search) == "no box"
        page.await_that(lambda: page.visits() == 2)


def drawn(page: Page, node: int) -> str:
    """Whether an element takes any place on the screen."""
    try:
        page.call("DOM.getBoxModel", nodeId=node)
    except AssertionError:
        return "no box"
    return "a box"


def test_no_state_is_wider_than_the_screen(browser: Browser, stage: Stage) -> None:
    unbroken = root(f"/{'long' * 60}", 3)
    stage.shown = status(*EVERY, unbroken, watches={OK.root: WatchState(trouble="x" * 300)})
    with browser.page(stage.url, width=320) as page:
        page.run("document.querySelector('details').open = true")
        for width in (320, 360, 768, 1000, 1200):
            page.resize(width, 800)
            page.await_that(f"matchMedia('(width: {width}px)').matches")
            assert page.run("document.scrollingElement.scrollWidth") <= width


CONTRASTS = """
(() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => parts(color).slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    const seen = parts(color)[3] !== 0;
    return seen || !element.parentElement ? color : behind(element.parentElement);
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *:not(script)")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([element.outerHTML.slice(0, 80), ratio]);
  }
  return poor;
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_word_can_be_read_in_both_themes(browser: Browser, stage: Stage, dark: bool) -> None:
    watches = {report.root: WatchState() for report in EVERY} | {"/srv/new": WatchState()}
    stage.shown = status(*EVERY, watches=watches)
    with browser.page(stage.url, dark=dark) as page:
        page.run("document.querySelector('details').open = true")
        ground = page.run("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(14, 18, 23)" if dark else "rgb(244, 245, 247)")
        assert page.run(CONTRASTS) == []


def test_those_who_listen_or_use_keys_get_it_all(browser: Browser, stage: Stage) -> None:
    stage.shown = status(WARNING)
    with browser.page(stage.url) as page:
        page.call("Accessibility.enable")
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        said = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
        ]
        assert ("meter", "Links used") in said
        assert ("searchbox", "Find") in said
        assert ("status", "") in said
        assert ("columnheader", "Left by links") in said
        assert ("rowheader", "shop/service0:1.0") in said
        headings = [name for role, name in said if role == "heading"]
        assert headings[0] == "hardlink-exporter"
        assert headings[1].split() == ["/srv/warning", "overlay", "warning"]
        for _ in range(40):
            page.press("Tab", 9)
            if page.run("document.activeElement.tagName") == "SUMMARY":
                break
        assert page.run("document.activeElement.tagName") == "SUMMARY"


def test_nothing_moves_for_those_who_want_it_still(browser: Browser, stage: Stage) -> None:
    stage.shown = status(WARNING)
    moves = "getComputedStyle(document.querySelector('.gauge .used')).transitionDuration"
    with browser.page(stage.url) as page:
        assert page.run(moves) == "0.4s"
        still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
        page.call("Emulation.setEmulatedMedia", features=still)
        assert page.run(moves) == "0s"


def test_the_script_says_ages_in_the_words_of_the_server(browser: Browser, stage: Stage) -> None:
    ages = (-1, 0, 59, 59.9, 60, 3599, 3600, 86400, 172_799, 172_800, 9_999_999)
    (since,) = re.findall(r"\n  (function since\(.*?\n  })", SCRIPT, re.DOTALL)
    with browser.page(stage.url) as page:
        assert page.run(f"{list(ages)}.map({since})") == [age(seconds) for seconds in ages]


def test_ages_grow_while_a_page_is_open(browser: Browser, stage: Stage) -> None:
    stage.shown = status(OK)
    with browser.page(stage.url) as page:
        page.await_that("/^[4-9] s ago$/.test(document.querySelector('dd time').textContent)")


def test_the_policy_stops_what_would_slip_through(browser: Browser, stage: Stage) -> None:
    stage.shown = status(OK)
    attacks = (
        "body.append(Object.assign(document.createElement('img'), {src: 'http://harm.invalid/'}))",
        "body.setAttribute('style', 'color: red')",
        "body.setAttribute('onclick', 'window.harmed = 1'); body.click()",
        "body.innerHTML = '<svg onload=window.harmed=1>'",
        "body.append(document.createElement('script')); body.lastChild.append('window.harmed = 1')",
        "fetch('http://harm.invalid/')",
    )
    with browser.page(stage.url) as page:
        for attack in attacks:
            page.run(f"try {{ const body = document.body; {attack} }} catch {{ /* refused */ }}")
        page.await_that(lambda: len(page.run("window.violations")) >= len(attacks))
        assert page.run("window.harmed") is None
        assert set(page.asked()) == {stage.url}
