"""Recording rules: a handful of series from which the fleet's panels are drawn, however many hosts there are.

Names are `level:metric:operations`. All labels stay but those that are dropped by name, so that
labels of your own (a cluster, a region) still tell their fleets apart.
"""

from __future__ import annotations

from typing import Final

from exporter.config import Config
from exporter.model import Resource
from exporter.rules.nouns import Group, Record
from exporter.telling.assessment import bounds, stale_ages

HOST: Final = "instance, pod, node"
"""Labels that tell one host from another; the last two are Kubernetes'."""

ROOT: Final = f"{HOST}, root"
DRIVEN: Final = f"{ROOT}, driver"

TIGHTEST: Final = 20
"""Roots of each job that are named, those with least left."""

_LEFT: Final = 'hardlink_layers_left{resource=~"links|inodes"}'
_LEAST: Final = "instance_root:hardlink_layers_left:min"
_NAMED: Final = f"instance_root:hardlink_layers_left:bottomk{TIGHTEST}"


def recording_groups(config: Config) -> tuple[Group, ...]:
    """The groups of recording rules."""
    rules = (*_tightest(), *_below(config), *_health(config), *_inventory(config))
    return (Group("hardlink-recording", rules, config.alerts.interval),)


def _tightest() -> tuple[Record, ...]:
    """Which roots have least left, and of what; and whether all their layers are counted."""
    return (
        Record(_LEAST, f"min without (resource) ({_LEFT})"),
        Record(
            _NAMED,
            f"bottomk without ({DRIVEN}, resource)"
            f" ({TIGHTEST}, bottomk without (resource) (1, {_LEFT}))",
        ),
        Record(
            f"instance_root:hardlink_scan_coverage_ratio:on_bottomk{TIGHTEST}",
            f"hardlink_scan_coverage_ratio and on (job, instance, root, driver) {_NAMED}",
        ),
        Record("job:hardlink_layers_left:min", f"min without ({DRIVEN}) ({_LEAST})"),
    )


def _below(config: Config) -> tuple[Record, ...]:
    """How many roots are below each threshold, 0 where none is; who is below the next is in this too."""
    return tuple(
        Record(
            "job:hardlink_roots_below:sum",
            f"sum without ({DRIVEN}) ({_LEAST} < bool {bound})",
            {"threshold": level.word},
        )
        for level, bound in bounds(Resource.LINKS, config).items()
    )


def _health(config: Config) -> tuple[Record, ...]:
    """Whom not to believe: down, stale, incomplete, blind."""
    up = f'up{{job="{config.alerts.job}"}}'
    age, (ahead, old) = "(time() - hardlink_scan_timestamp_seconds", stale_ages(config)
    stale = f"{age} < bool {ahead:.15g}) + {age} > bool {old:.15g})"
    return (
        Record("job:hardlink_exporters:count", f"count without ({HOST}) ({up})"),
        Record("job:hardlink_exporters_down:sum", f"sum without ({HOST}) ({up} == bool 0)"),
        Record("job:hardlink_roots_down:sum", f"sum without ({ROOT}) (hardlink_root_up == bool 0)"),
        Record("job:hardlink_roots_stale:sum", f"sum without ({DRIVEN}) ({stale})"),
        Record(
            "job:hardlink_roots_incomplete:sum",
            f"sum without ({DRIVEN}) (hardlink_scan_coverage_ratio < bool 1)",
        ),
        Record(
            "job:hardlink_watches_lost:sum",
            f"sum without ({ROOT}) (hardlink_watch_active == bool 0)",
        ),
        Record("job_reason:hardlink_problems:sum", f"sum without ({DRIVEN}) (hardlink_problems)"),
    )


def _inventory(config: Config) -> tuple[Record, ...]:
    """What there is, and what fails in it."""
    window = config.alerts.layer_failed_window
    return (
        Record("job:hardlink_roots:count", f"count without ({ROOT}) (hardlink_root_up)"),
        Record(
            "job_driver:hardlink_roots:count",
            f"count without ({ROOT}, fstype, limit_source) (hardlink_root_info)",
        ),
        Record(
            "job_version:hardlink_exporters:count",
            f"count without ({HOST}, python) (hardlink_exporter_build_info)",
        ),
        Record(
            "job:hardlink_failed_layers:rate",
            f"sum without ({DRIVEN}) (rate(hardlink_failed_layers_total[{window}]))",
        ),
    )
