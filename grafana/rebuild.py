"""Writes the dashboards anew from the code in `boards/`: `python grafana/rebuild.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from boards.fleet import FLEET_DASHBOARD, LINT
from boards.host import HOST_DASHBOARD

FOLDER: Final = Path(__file__).parent / "dashboards"


def rendered() -> Mapping[str, str]:
    """The text of each file of `dashboards/`, by its name."""
    files = {
        f"{dashboard.uid}.json": json.dumps(dashboard.json(), indent=2, ensure_ascii=False) + "\n"
        for dashboard in (HOST_DASHBOARD, FLEET_DASHBOARD)
    }
    said = "# Made by grafana/rebuild.py: the rules of grafana/dashboard-linter that do not fit, and why.\n"
    return files | {".lint": said + yaml.safe_dump(LINT, sort_keys=False, width=100)}


if __name__ == "__main__":
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
