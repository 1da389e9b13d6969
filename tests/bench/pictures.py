"""Makes the previews of both dashboards anew: `python tests/bench/pictures.py`.

The host is a real exporter on a root that grows until nothing fits; the fleet is that of `fleet.py`, of
200 hosts. Needs Prometheus, promtool and chromium, and two minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

sys.path += [str(Path(__file__).parents[1])]

from dashboards import ALL, FLEET, HOST, Chosen
from fleet import HOURS, STEP, make_blocks, record, started
from fleet_data import full_host, hosts
from preview import Preview
from prometheus import prometheus
from serving import served

from exporter.demo.growth import LINKS_LIMIT, Growth

HERE: Final = Path(__file__).parents[2] / "grafana"
INSTANCE: Final = "build1"

RULES: Final = """\
alerts: {interval: 1s, warning_for: 0s, critical_for: 0s, exhausted_for: 0s}
scan: {interval: 1}
"""


def picture(html: str, name: str, folder: Path, high: int) -> None:
    """Let chromium draw a page."""
    page = folder / f"{name}.html"
    page.write_text(html)
    subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *(f"--user-data-dir={folder / 'chromium'}", f"--window-size=1412,{high}"),
            *(f"--screenshot={HERE / name}.png", page.as_uri()),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def host(folder: Path) -> None:
    """Watch a root grow until not one layer more fits."""
    root = folder / "var/lib/docker"
    config = folder / "exporter.yml"
    config.write_text(
        f"{RULES}roots: [/var/lib/docker]\nlinks_limits: {{/var/lib/docker: {LINKS_LIMIT}}}\n"
    )
    growth = Growth(root, lambda _: None)
    words = [sys.executable, "-m", "exporter", "rules", f"--config.file={config}"]
    (folder / "rules.yml").write_bytes(subprocess.check_output(words))
    with served(folder, f"--config.file={config}", f"--path.rootfs={folder}") as daemon:
        target = f"{{targets: ['127.0.0.1:{daemon.port}'], labels: {{instance: {INSTANCE}}}}}"
        scrape = f"{{job_name: hardlink-exporter, static_configs: [{target}]}}"
        times = "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
        with prometheus(folder, f"{times}scrape_configs: [{scrape}]\n") as server:
            began = time.time()
            while growth.left > 3:
                time.sleep(2)
                growth.add_layer()
            time.sleep(15)
            values = {"job": (ALL,), "instance": (INSTANCE,), "root": (ALL,)}
            chosen = Chosen(values, seconds=round(time.time() - began), step=1, rate=8)
            picture(Preview(server, HOST, chosen, time.time()).html(), "preview-host", folder, 2860)


def fleet(folder: Path) -> None:
    """Draw a small fleet with its troubles."""
    end = int(time.time()) // STEP * STEP
    times = range(end - HOURS * 3600, end + 1, STEP)
    told = {driver: full_host(driver) for driver in ("overlay", "overlay2")}
    make_blocks(folder, hosts(200), told, times)
    record(folder, times)
    with started(folder) as server:
        chosen = Chosen({"job": (ALL,)}, seconds=HOURS * 3600, step=STEP)
        picture(Preview(server, FLEET, chosen, end).html(), "preview-fleet", folder, 1900)


if __name__ == "__main__":
    for draw in (host, fleet):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
            draw(Path(name))
