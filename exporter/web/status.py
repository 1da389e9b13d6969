"""What the pages are made of, at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.config import Config
from exporter.telling.assessment import Assessment, assess_all
from exporter.telling.view import View


@dataclass(frozen=True, slots=True)
class Status:
    """All that the pages show, as of now.

    `config` is the configuration in force; `named` are the roots of the command line, which are in
    place of its own; `rootfs` is where the host's `/` is seen.
    """

    view: View
    config: Config
    ready: bool
    named: tuple[str, ...] = ()
    rootfs: str = "/"

    def assessments(self, now: float) -> tuple[Assessment, ...]:
        """Judge every root as of `now`, a unix time."""
        return assess_all(self.view.reports, self.config, now, self.view.waiting)
