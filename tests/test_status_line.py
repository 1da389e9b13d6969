"""The one line of `systemctl status`."""

from __future__ import annotations

from dataclasses import replace

from statuses import CRITICAL, DOWN, EXHAUSTED, NOW, OK, OVERLAY2

from exporter.config import Config
from exporter.model import RootReport
from exporter.telling.assessment import assess_all
from exporter.telling.status_line import status_line
from exporter.telling.view import Loaded


def told(*reports: RootReport, ready: bool = True, loaded: bool = True) -> str:
    assessments = assess_all(reports, Config(), NOW)
    return status_line(assessments, Loaded(successful=loaded, at=0.0), ready=ready)


def test_each_root_is_there_with_level_and_sentence_the_worst_first() -> None:
    assert told(OK, CRITICAL, DOWN) == (
        "/srv/critical (overlay): critical, 3 more layers fit, then links run out;"
        " /mnt/gone: down, there is no such folder;"
        " /var/lib/docker (overlay): ok, 97 more layers fit, then depth runs out"
    )


def test_of_two_drivers_of_a_root_each_has_its_own_level() -> None:
    both = (replace(OVERLAY2, root=EXHAUSTED.root), EXHAUSTED)
    assert [part.split(",")[0] for part in told(*both).split("; ")] == [
        "/srv/exhausted (overlay): exhausted",
        "/srv/exhausted (overlay2): ok",
    ]


def test_no_root_and_a_failed_reload_are_said() -> None:
    assert told(ready=False) == "looking for storage roots"
    assert told() == "no storage root was found"
    assert told(loaded=False) == (
        "config reload failed, keeping the previous configuration; no storage root was found"
    )


def test_it_is_one_line_of_bounded_length_whatever_roots_are_called() -> None:
    line = told(*(replace(OK, root=f"/{n}\n\x1b[31m" + "x" * 200) for n in range(50)))
    assert line.isprintable()
    assert len(line) == 500
