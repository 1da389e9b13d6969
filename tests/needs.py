"""What a test needs of the machine: missing, it is skipped with one line; in CI that is a failure."""

from __future__ import annotations

import os
import shutil

import pytest

PATIENCE = 60.0
"""Seconds that a test waits for what should come soon; on a busy machine it comes late."""


def need_root() -> None:
    if os.geteuid() != 0:
        missing("root")


def need_program(*names: str) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    for name in names:
        if shutil.which(name, path=path) is None:
            missing(f"the program {name}")


def missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI should have {what}")
    pytest.skip(f"needs {what}")
