"""Whatever archive an engine takes, a layer that is derived has the figures that a count gives."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from fuzzing import SIZE, dices
from unpacked import Plan, planned_root, random_root, shrunk, wrong

LOG = logging.getLogger(__name__)

DERIVED = 1000
"""Layers that are to be derived."""

ENTRIES = 6


def test_derived_equals_counted(tmp_path: Path) -> None:
    """Derive layers of random roots upwards and downwards, and compare every figure."""
    derived = layers = 0
    for dice in dices():
        grown = random_root(tmp_path / "root", dice, dice.randint(3, 9), ENTRIES)
        assert wrong(grown) == {}, shortest(tmp_path, grown.plan)
        derived += grown.derived
        layers += len(grown.plan.layers)
        shutil.rmtree(tmp_path / "root")
        if derived >= DERIVED * SIZE:
            break
    LOG.info("%d of %d layers derived", derived, layers)
    assert derived > 0.4 * layers


def shortest(folder: Path, plan: Plan) -> str:
    """Tell the least of a plan that still gives a wrong figure."""

    def fails(smaller: Plan) -> bool:
        shutil.rmtree(folder / "smaller", ignore_errors=True)
        return bool(wrong(planned_root(folder / "smaller", smaller)))

    return "\n".join(map(str, shrunk(plan, fails).layers))
