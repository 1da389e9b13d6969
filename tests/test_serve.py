"""The daemon as an operator meets it: a real process, a real port, real signals."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from looking import Run
from needs import PATIENCE, need_program
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as families
from serving import Served, free_port, served

from exporter.demo.planted import PlantedRoot
from exporter.telling.catalogue import CATALOGUE


@pytest.fixture
def root(planted: PlantedRoot) -> PlantedRoot:
    """A root with two tagged images."""

    def fill(tree: Path) -> None:
        (tree / "file").write_text("x")
        os.link(tree / "file", tree / "name2")

    base = planted.layer((), fill)
    planted.image(base, "base:1")
    planted.image(planted.layer(base, lambda t: (t / "f").touch()), "shop:1.4", "shop:latest")
    return planted


def config(tmp_path: Path, text: str) -> str:
    (tmp_path / "config.yml").write_text(text)
    return f"--config.file={tmp_path / 'config.yml'}"


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    """Leave out what two passes cannot share: their time, and the whole disk's free inodes."""
    kept = {k: v for k, v in report.items() if k not in ("scan", "layers_left")}
    kept["layers_left"] = {k: v for k, v in report["layers_left"].items() if k != "inodes"}
    kept["images"] = []
    for row in report["images"]:
        lefts = {
            key: {k: v for k, v in row[key].items() if k != "inodes"}
            for key in ("layers_left", "chain_layers_left")
        }
        kept["images"].append(row | lefts)
    return kept


def values(text: str) -> dict[str, float]:
    """The figures of an exposition that do not depend on the pass's time or the whole disk."""
    changing = (
        "hardlink_watch_",
        "hardlink_failed_",
        "timestamp",
        "duration",
        "build_info",
        "config_last",
        "process_",
        "python_",
    )
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
        and not any(word in line for word in changing)
        and 'resource="inodes"' not in line
    }


def test_scan_and_serve_give_the_same_figures_in_all_outputs(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    path = str(root.path)
    from_scan = json.loads(run("scan", path).stdout)
    with served(tmp_path, path) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        assert [without_times(r) for r in from_scan["roots"]] == [
            without_times(r) for r in daemon.report()
        ]
        textfile = run("scan", "--output", "metrics", path).stdout
        assert values(textfile) == values(daemon.get("/metrics").text)
        table = run("scan", "--output", "table", path).stdout
        page = daemon.get("/").text
    for row in from_scan["roots"][0]["images"]:
        (line,) = (x for x in table.splitlines() if x.split()[:1] == [row["name"]])
        assert str(row["layers_left"]["links"]) in line.split()
        assert f"<bdi>{row['name']}</bdi>" in page
        assert f">{row['layers_left']['links']:,}</td>" in page


def test_ready_waits_for_the_first_answer_of_every_root(root: PlantedRoot, tmp_path: Path) -> None:
    with served(tmp_path, str(root.path), str(tmp_path / "gone")) as daemon:
        assert daemon.get("/-/healthy").status == 200
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        ups = {
            s.labels["root"]: s.value
            for f in families(daemon.get("/metrics").text)
            if f.name == "hardlink_root_up"
            for s in f.samples
        }
        assert ups == {str(root.path): 1, str(tmp_path / "gone"): 0}


def test_a_root_that_goes_and_comes_back_is_down_and_up_again(
    root: PlantedRoot, tmp_path: Path
) -> None:
    words = (config(tmp_path, "scan: {interval: 0.1}"), str(root.path))
    away = tmp_path / "away"
    with served(tmp_path, *words) as daemon:
        daemon.await_that(lambda: daemon.metric("hardlink_root_up") == 1)
        root.path.rename(away)
        daemon.await_that(lambda: daemon.metric("hardlink_root_up") == 0)
        assert daemon.metric("hardlink_links_max") is None
        assert daemon.get("/-/ready").status == 200
        away.rename(root.path)
        daemon.await_that(lambda: daemon.metric("hardlink_root_up") == 1)
        assert daemon.metric("hardlink_links_max") == 4


def test_a_new_layer_is_seen_by_the_next_pass(root: PlantedRoot, tmp_path: Path) -> None:
    words = (config(tmp_path, "scan: {interval: 0.1}"), str(root.path))
    with served(tmp_path, *words) as daemon:
        daemon.await_that(lambda: daemon.metric("hardlink_links_max") == 4)
        root.layer((), lambda t: (t / "f").touch())
        daemon.await_that(lambda: daemon.metric("hardlink_layer_depth_max") == 2)
        daemon.await_that(
            lambda: daemon.report()[0]["layers"]["image"] == 3,
        )


def test_a_scrape_touches_no_disk(root: PlantedRoot, tmp_path: Path) -> None:
    with served(tmp_path, str(root.path)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        shutil.rmtree(root.path)
        assert daemon.metric("hardlink_links_max") == 4
        assert daemon.report()[0]["up"]


TRIES = 5
"""A busy machine delays one end or another; a program that waits for something delays each."""


def seconds_to_end(daemon: Served, number: signal.Signals) -> float:
    begun = time.monotonic()
    daemon.signal(number)
    assert daemon.process.wait(PATIENCE) == 0
    return time.monotonic() - begun


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second(
    root: PlantedRoot, tmp_path: Path, number: signal.Signals
) -> None:
    def seconds() -> float:
        with served(tmp_path, str(root.path)) as daemon:
            daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
            took = seconds_to_end(daemon, number)
        assert "stopped" in daemon.log.read_text()
        return took

    assert any(seconds() < 1 for _ in range(TRIES))


def test_it_ends_within_a_second_even_while_a_client_dawdles(
    root: PlantedRoot, tmp_path: Path
) -> None:
    def seconds() -> float:
        with served(tmp_path, str(root.path)) as daemon:
            daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
            with socket.create_connection(("127.0.0.1", daemon.port)) as slow:
                slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
                return seconds_to_end(daemon, signal.SIGTERM)

    assert any(seconds() < 1 for _ in range(TRIES))


def test_sighup_reads_the_configuration_again(root: PlantedRoot, tmp_path: Path) -> None:
    word = config(tmp_path, f"roots: [{root.path}]\nlinks_limits: {{{root.path}: 1000}}\n")
    with served(tmp_path, word) as daemon:
        daemon.await_that(lambda: daemon.metric("hardlink_links_limit") == 1000)
        config(tmp_path, f"roots: [{root.path}]\nlinks_limits: {{{root.path}: 2000}}\n")
        daemon.signal(signal.SIGHUP)
        daemon.await_that(lambda: daemon.metric("hardlink_links_limit") == 2000)
        assert daemon.metric("hardlink_exporter_config_last_reload_successful") == 1


def test_a_bad_new_configuration_is_refused_and_the_old_one_stays(
    root: PlantedRoot, tmp_path: Path
) -> None:
    word = config(tmp_path, f"roots: [{root.path}]\n")
    metric = "hardlink_exporter_config_last_reload_successful"
    with served(tmp_path, word) as daemon:
        daemon.await_that(lambda: daemon.metric("hardlink_root_up") == 1)
        read_at = daemon.metric("hardlink_exporter_config_last_reload_success_timestamp_seconds")
        config(tmp_path, "roots: 7\n")
        daemon.signal(signal.SIGHUP)
        daemon.await_that(lambda: daemon.metric(metric) == 0)
        assert daemon.metric("hardlink_root_up") == 1
        assert read_at == daemon.metric(
            "hardlink_exporter_config_last_reload_success_timestamp_seconds"
        )
        assert "config.yml:1:1: roots: it should be a list, not 7" in daemon.log.read_text()
        config(tmp_path, f"roots: [{root.path}, {tmp_path}/other]\n")
        daemon.signal(signal.SIGHUP)
        daemon.await_that(lambda: daemon.metric(metric) == 1)
        daemon.await_that(lambda: len(daemon.report()) == 2)


def test_metrics_speak_text_and_openmetrics_and_gzip(root: PlantedRoot, tmp_path: Path) -> None:
    with served(tmp_path, str(root.path)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        plain = daemon.get("/metrics")
        assert plain.headers["content-type"].startswith("text/plain; version=")
        assert {f"hardlink_{m.name}".removesuffix("_total") for m in CATALOGUE} <= {
            f.name for f in families(plain.text)
        }
        opened = daemon.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert opened.headers["content-type"].startswith("application/openmetrics-text")
        assert "hardlink_links_max" in {f.name for f in open_metrics(opened.text)}  # type: ignore[no-untyped-call]
        packed = daemon.get("/metrics", **{"Accept-Encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert "hardlink_links_max" in gzip.decompress(packed.body).decode()
        for refusal in ("gzip;q=0", "gzip;Q=0", "gzip ; Q=0.00", "br, GZIP;Q=0, identity"):
            refused = daemon.get("/metrics", **{"Accept-Encoding": refusal})
            assert "content-encoding" not in refused.headers, refusal
        chosen = daemon.get("/metrics?name[]=hardlink_links_max&name[]=hardlink_images")
        assert {f.name for f in families(chosen.text)} == {"hardlink_links_max", "hardlink_images"}
        assert "process_cpu_seconds_total" in plain.text
        assert "python_info" in plain.text


def test_promtool_finds_nothing_to_say_of_the_metrics(
    root: PlantedRoot, tmp_path: Path, run: Run
) -> None:
    need_program("promtool")
    with served(tmp_path, str(root.path)) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        texts = [daemon.get("/metrics").body]
    texts.append(run("scan", "--output", "metrics", str(root.path)).stdout.encode())
    for text in texts:
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_wrong_methods_and_paths_are_refused(root: PlantedRoot, tmp_path: Path) -> None:
    with served(tmp_path, "--web.telemetry-path=/m", str(root.path)) as daemon:
        statuses = {
            path: daemon.get(path).status for path in ("/m", "/metrics", "/../etc/passwd", "/x")
        }
        assert statuses == {"/m": 200, "/metrics": 404, "/../etc/passwd": 404, "/x": 404}
        refused = daemon.get("/m", method="POST")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
        head = daemon.get("/-/healthy", method="HEAD")
        assert (head.status, head.body) == (200, b"")
        odd = daemon.get("/m?name[]=%ff%00&x=\xe9".encode("latin-1").decode("ascii", "ignore"))
        assert odd.status == 200


def test_it_listens_on_several_addresses(root: PlantedRoot, tmp_path: Path) -> None:
    second = free_port()
    with served(tmp_path, f"--web.listen-address=127.0.0.1:{second}", str(root.path)) as daemon:
        assert daemon.get("/-/healthy").status == 200
        other = type(daemon)(daemon.process, second, daemon.log)
        assert other.get("/-/healthy").status == 200


def test_an_address_in_use_is_one_sentence_and_exit_2(tmp_path: Path, run: Run) -> None:
    with served(tmp_path, str(tmp_path)) as daemon:
        done = run("serve", f"--web.listen-address=127.0.0.1:{daemon.port}", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"hardlink-exporter: 127.0.0.1:{daemon.port}: cannot listen there: Address already in use\n"
    )


def test_logs_are_logfmt_or_json_lines(root: PlantedRoot, tmp_path: Path) -> None:
    words = ("--log.format=json", "--log.level=debug", str(root.path))
    with served(tmp_path, *words) as daemon:
        daemon.await_that(lambda: daemon.get("/-/ready").status == 200)
        daemon.await_that(lambda: "looked" in daemon.log.read_text())
    lines = [json.loads(line) for line in daemon.log.read_text().splitlines()]
    assert {"ts", "level", "event"} <= set(lines[0])
    assert "looked" in [line["event"] for line in lines]
