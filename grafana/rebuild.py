"""Writes the dashboards' JSON anew from the code in `boards/`: `python grafana/rebuild.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from boards.host import HOST_DASHBOARD
from boards.model import Dashboard

FOLDER: Final = Path(__file__).parent / "dashboards"
DASHBOARDS: Final = (HOST_DASHBOARD,)


def rendered(dashboard: Dashboard) -> str:
    """Give the JSON as it is committed."""
    return json.dumps(dashboard.json(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.uid}.json").write_text(rendered(dashboard))
