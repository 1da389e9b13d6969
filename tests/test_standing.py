"""The one line of `systemctl status`."""

from __future__ import annotations

from exporter.model import Problem, Reason, Resource, RootReport, ScanFacts
from exporter.telling.standing import standing
from exporter.telling.view import Loaded, View


def report(root: str, left: int | None, coverage: float = 1.0) -> RootReport:
    facts = ScanFacts(complete=True, coverage=coverage, looked=0.0)
    layers_left = {Resource.LINKS: left, Resource.DEPTH: 120}
    return RootReport(root, facts, "overlay", up=True, layers_left=layers_left)


def told(*reports: RootReport, ready: bool = True, loaded: bool = True) -> str:
    view = View(reports, "1", 10, Loaded(successful=loaded, at=0.0))
    return standing(view, ready=ready)


def test_what_runs_out_first_is_told_and_the_tightest_root_first() -> None:
    assert told(report("/a", 500), report("/b", 7)) == (
        "/b (overlay): layers left 7, by links; /a (overlay): layers left 120, by depth"
    )


def test_before_all_is_counted_it_means_at_most() -> None:
    assert told(report("/a", 7, 0.5)) == "/a (overlay): layers left at most 7, by links"


def test_a_root_without_figures_comes_first_of_all() -> None:
    problem = Problem("/gone", "is gone", Reason.ROOT)
    gone = RootReport(
        "/gone", ScanFacts(complete=True, coverage=0, looked=0.0), problems=(problem,)
    )
    assert told(report("/a", 0), gone) == (
        "/gone: no figures; /a (overlay): layers left 0, by links"
    )


def test_an_unknown_figure_is_not_made_up() -> None:
    facts = ScanFacts(complete=True, coverage=1, looked=0.0)
    unknown = RootReport("/a", facts, "overlay", up=True, layers_left={Resource.LINKS: None})
    assert told(unknown) == "/a (overlay): layers left unknown"


def test_no_root_and_a_refused_configuration_are_said() -> None:
    assert told(ready=False) == "looking at the roots"
    assert told() == "no storage root was found"
    assert told(loaded=False) == (
        "the configuration is refused, the old one stays; no storage root was found"
    )


def test_it_is_one_line_of_bounded_length_whatever_roots_are_called() -> None:
    line = told(*(report(f"/{n}\n\x1b[31m" + "x" * 200, n) for n in range(50)))
    assert line.isprintable()
    assert len(line) == 500
