"""A base image made of this machine's own Python and the libraries it needs: no shell, no pip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from pydantic_core import _pydantic_core

_NOT_NEEDED = ("__pycache__", "config-*", "dist-packages", "ensurepip", "idlelib", "lib2to3")
_NOR_THESE = ("site-packages", "test", "tests", "tkinter", "turtledemo")


def fill_with_python(tree: Path) -> None:
    """Fill a folder so that, as a container's `/`, it has `python3` and can import wheels in Rust."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    binary = tree / "usr/bin" / python
    library = tree / "usr/lib" / python
    binary.parent.mkdir(parents=True)
    shutil.copy2(os.path.realpath(sys.executable), binary)
    (binary.parent / "python3").symlink_to(python)
    left_out = shutil.ignore_patterns(*_NOT_NEEDED, *_NOR_THESE)
    shutil.copytree(sysconfig.get_path("stdlib"), library, symlinks=True, ignore=left_out)
    objects = [binary, *library.rglob("*.so"), Path(_pydantic_core.__file__)]
    asked = subprocess.run(["ldd", *map(str, objects)], capture_output=True, text=True, check=True)
    for path in set(re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", asked.stdout, re.MULTILINE)):
        copy = tree / path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
