"""The benchmark's smaller variant, with bounds so generous that only a blunder breaks them.

The figures themselves are in tests/bench/README.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from needs import need_program, need_root

FIGURES = Path(__file__).parent / "bench/figures.py"


@pytest.mark.root
@pytest.mark.bench
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", ["deep", "broad"])
def test_a_million_names_are_told_in_a_part_of_finds_time_and_cost_the_host_little(
    tmp_path: Path, shape: str
) -> None:
    need_root()
    need_program("mkfs.ext4", "cc", "find")
    words = ["--names", "1000000", "--shape", shape, "--idle", "5", "--warm", "--json"]
    done = subprocess.run(
        [sys.executable, str(FIGURES), *words, "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    warm, daemon = told["warm"], told["daemon"]
    assert told["names"] >= 900_000
    assert warm["first"] < warm["find"]
    assert warm["complete"] < warm["find"]
    assert daemon["scrape_idle"] < 0.1
    assert daemon["scrape_passing"] < 0.5
    assert max(daemon["memory_passing"], daemon["memory_settled"]) < 200
    assert daemon["idle_cpu"] < 0.02
    assert max(daemon["added"], daemon["removed"]) < 10
    assert max(daemon["added_cpu"], daemon["removed_cpu"]) < 1
