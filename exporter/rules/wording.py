"""How alerts speak: pieces of annotation templates (Go's text/template, as Prometheus expands them).

What an alert is about goes into a query by `%q`, which no label's value can break out of.
"""

from __future__ import annotations

from typing import Final

from exporter.config import Config

PLACE: Final = "{{ $labels.root }} ({{ $labels.driver }}) on {{ $labels.instance }}"
"""Which root, which driver, which host."""

SUBJECT: Final = (
    "{{- $root := printf `job=%q,instance=%q,root=%q,driver=%q`"
    " $labels.job $labels.instance $labels.root $labels.driver -}}\n"
)
"""Sets `$root`, the matchers by which `ask` selects what the alert is about. It adds no text."""

RUNS_OUT: Final = 'resource=~"links|inodes"'
"""The matcher of what fails all of a sudden; depth is the image's own matter."""

MOST_NAMED: Final = 10
"""An alert names at most so many images: as many as the exporter tells of by default."""


def runbook(config: Config, name: str) -> str:
    """The address of an alert's runbook."""
    return f"{config.alerts.runbook_url.rstrip('/')}/{name}.md"


def ask(query: str, resource: str = "") -> str:
    """A template's call that asks `query`.

    `{ROOT}` in it selects the alert's own root; `resource`, a matcher, narrows that, with `%q`
    in it standing for the alert's own resource.
    """
    matchers = f"{{%[1]s{',' if resource else ''}{resource.replace('%q', '%[2]q')}}}"
    own = " $labels.resource" if "%q" in resource else ""
    return f"query (printf `{query.replace('{ROOT}', matchers)}` $root{own})"


def at_most() -> str:
    """Say `at most` while not all layers of the root are counted."""
    incomplete = ask("hardlink_scan_coverage_ratio{ROOT} < 1")
    return f"{{{{ range {incomplete} }}}}at most {{{{ end }}}}"


def images(below: int, hold: str, resource: str = "resource=%q") -> str:
    """Name the images with fewer layers left than `below`; have words for when there are none.

    They are in the order of their names, since a query gives equals in any order. While a driver
    of a root gives no figures (`hardlink_images` is there whenever it does) they are those that
    were so near their end at the last. None is named where the tightest image has no name, where
    the least is a layer below any image, and where `metrics.images` is too few.
    """
    left = "hardlink_image_layers_left{ROOT}"
    now = "on (job, instance, root, driver) hardlink_images"
    last = f"last_over_time({left}[{hold}]) < {below} unless {now}"
    least = f"bottomk({MOST_NAMED}, min by (image) ({left} < {below} or {last}))"
    return (
        f"Images concerned: {{{{ range $i, $image := {ask(least, resource)} | sortByLabel `image` }}}}"
        "{{ if $i }}, {{ end }}{{ $image.Labels.image }} ({{ $image.Value }} left)"
        "{{ else }}no image that is told by name is so near its end;"
        " `hardlink-exporter scan {{ $labels.root }}` says which{{ end }}."
    )
