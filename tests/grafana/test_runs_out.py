"""When it runs out, as the host's dashboard tells it, by the clock of promtool."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from dashboards import HOST, Chosen, panel_queries, panels
from prometheus import promtool

LABELS = '{job="hardlink-exporter",instance="b1",root="/docker",driver="overlay"'
LEFT = f'hardlink_layers_left{LABELS},resource="links"}}'
COUNTED = f"hardlink_full_scan_timestamp_seconds{LABELS}}}"
CHOSEN = {"job": ("hardlink-exporter",), "instance": ("b1",), "root": ("/docker",)}


@pytest.mark.parametrize(
    ("left", "counted", "seconds"),
    [
        pytest.param("400 380 300 60x57", "_x4 0x57", None, id="early figures fall, and no build"),
        pytest.param("400 380 300 90-1x57", "_x4 0x57", 33 * 60, id="builds after early figures"),
        pytest.param("90-1x60", "0x60", 30 * 60, id="builds"),
        pytest.param("33x60", "0x60", None, id="nothing changes"),
        pytest.param("30+1x60", "0x60", None, id="images are removed"),
        pytest.param("0x60", "0x60", 0, id="none is left, and nothing changes"),
    ],
)
def test_it_runs_out_at_the_pace_of_builds(
    tmp_path: Path, left: str, counted: str, seconds: int | None
) -> None:
    (query,) = [query for query in panel_queries(HOST) if query.title == "Runs out in"]
    expr = f"round({Chosen(CHOSEN, seconds=3600).fill(query.expr)})"
    found = (
        [] if seconds is None else [{"labels": f'{LABELS},resource="links"}}', "value": seconds}]
    )
    test = {
        "interval": "1m",
        "input_series": [
            {"series": LEFT, "values": left},
            {"series": COUNTED, "values": counted},
        ],
        "promql_expr_test": [{"expr": expr, "eval_time": "60m", "exp_samples": found}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", tmp_path / "test.yml")


def test_that_none_is_left_has_its_own_words() -> None:
    (panel,) = [panel for panel in panels(HOST) if panel["title"] == "Runs out in"]
    told = str(panel["fieldConfig"]["defaults"]["mappings"])
    assert "none is left" in told
