"""How much the fuzz tests try, and the dice they throw.

pytest prints its seed (pytest-randomly), and `pytest -p randomly --randomly-seed=SEED TEST` throws
the same again. With FUZZ_SIZE=50 fifty times as much is tried; `--timeout=0` gives it the time.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import count
from typing import Final

SIZE: Final = int(os.environ.get("FUZZ_SIZE", "1"))
"""How many times as much as usual is tried."""


def dices() -> Iterator[random.Random]:
    """Dice for one game after another, as the seed of this run wants it."""
    seed = random.getrandbits(32)
    for number in count():
        yield random.Random(f"{seed} {number}")  # noqa: S311  (no secret)
