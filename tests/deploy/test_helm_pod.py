"""What the chart says works: its arguments, probes, privileges and limits, with the real daemon and Prometheus."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from chart import CHART, MATRIX, of_kind, pod_of, render
from disks import mounted
from looking import Run
from needs import need_program, need_root
from pod import running, scrape_config
from prometheus import prometheus
from serving import Served

from exporter.config import Config
from exporter.demo.planted import PlantedRoot

pytestmark = pytest.mark.tools

LONGEST = f"registry.example.com/{'n' * 234}:{'t' * 128}"
"""A name of 255 bytes and a tag of 128: the longest that an engine takes."""

COVERED = ("dev", "proc", "run", "sys")

RIGHTS = "-all,+dac_read_search"

CONNECT = """
import os, socket, sys
os.chdir(sys.argv[1])  # a socket's path is short
socket.socket(socket.AF_UNIX).connect("docker.sock")
"""

ON = ("--set", "monitor.enabled=true", "--set", "config.roots={/srv/docker}")

root = pytest.mark.root
matrix = pytest.mark.parametrize("values", MATRIX, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host with a root of more images than are shown, where uid 0 as such may read nothing."""
    need_root()
    need_program("setpriv", "unshare")
    host = tmp_path_factory.mktemp("host")
    store = PlantedRoot(host / "srv/docker")
    for n in range(12):
        layer = store.layer((), lambda tree: (tree / "file").touch())
        store.image(layer, f"{LONGEST[:-2]}{n:02}")
    for name in ("etc", *COVERED):
        (host / name).mkdir()
        (host / name / "file").touch()
    for folder, _, _ in os.walk(host / "srv"):
        os.chown(folder, 1000, 1000)
        os.chmod(folder, 0o700)
    return host


@pytest.fixture(scope="module")
def pod(host: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The pod, running on that host."""
    with running(tmp_path_factory.mktemp("pod"), render(*ON), host) as served:
        served.await_that(lambda: served.get("/-/ready").status == 200)
        yield served


@matrix
def test_the_pod_has_one_capability_and_nothing_of_the_host_but_files_to_read(
    values: Path,
) -> None:
    pod = pod_of(render("-f", values))
    (container,) = pod["containers"]
    said = dict(container["securityContext"])
    said.pop("seLinuxOptions", None)
    assert said == {
        "runAsUser": 0,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]},
    }
    own = yaml.safe_load(values.read_text()).get("seccompProfile")
    wanted = {"type": "Localhost", "localhostProfile": own} if own else {"type": "RuntimeDefault"}
    assert pod["securityContext"]["seccompProfile"] == wanted
    assert (pod["hostNetwork"], pod["hostPID"], pod["hostIPC"]) == (False, False, False)
    assert pod["automountServiceAccountToken"] is False
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    for volume in pod["volumes"]:
        if "hostPath" in volume:
            place = f"/host{volume['hostPath']['path']}".rstrip("/")
            assert mounts.pop(volume["name"]) == place
    assert set(mounts) <= {"config", "web", "nothing"}


@matrix
def test_what_of_the_host_gives_it_away_is_covered_wherever_it_would_be_seen(values: Path) -> None:
    pod = pod_of(render("-f", values))
    (container,) = pod["containers"]
    whole = "/host" in [mount["mountPath"] for mount in container["volumeMounts"]]
    nothing = [m["mountPath"] for m in container["volumeMounts"] if m["name"] == "nothing"]
    assert nothing == ([f"/host/{name}" for name in COVERED] if whole else [])
    assert [v for v in pod["volumes"] if v["name"] == "nothing"] == (
        [{"name": "nothing", "emptyDir": {}}] if whole else []
    )


@matrix
def test_the_program_takes_the_arguments_and_the_configuration(
    values: Path, run: Run, tmp_path: Path
) -> None:
    documents = render("-f", values)
    (tmp_path / "web-config.yml").touch()
    (tmp_path / "config.yml").touch()
    for document in documents:
        if "config.yml" in document.get("data", {}):
            (tmp_path / "config.yml").write_text(document["data"]["config.yml"])
    serve, *words = [
        re.sub(r"=(/host|/etc/hardlink-exporter/(config|web))\b", f"={tmp_path}", word)
        for word in pod_of(documents)["containers"][0]["args"]
    ]
    done = run(serve, "--config.check", *words)
    assert done.returncode == 0, done.stderr
    given = yaml.safe_load(values.read_text()).get("config", {})
    in_force = yaml.safe_load(done.stdout)
    assert {key: in_force[key] for key in given if key != "scan"} == {
        key: value for key, value in given.items() if key != "scan"
    }


@root
def test_the_program_runs_with_these_privileges_and_reads_what_only_its_owner_may(
    pod: Served,
) -> None:
    status = Path(f"/proc/{pod.process.pid}/status").read_text()
    assert "\nCapEff:\t0000000000000004\n" in status, "CAP_DAC_READ_SEARCH is the bit 2"
    assert "\nNoNewPrivs:\t1\n" in status
    assert pod.metric('hardlink_root_up{root="/srv/docker"}') == 1
    assert pod.metric('hardlink_images{driver="overlay",root="/srv/docker"}') == 12


@root
def test_without_the_capability_it_would_read_nothing(host: Path, tmp_path: Path) -> None:
    documents = render(*ON)
    pod_of(documents)["containers"][0]["securityContext"]["capabilities"]["add"] = []
    with running(tmp_path, documents, host) as served:
        served.await_that(lambda: served.get("/-/ready").status == 200)
        assert served.metric('hardlink_root_up{root="/srv/docker"}') == 0


@root
@pytest.mark.parametrize(
    ("paths", "writable"), [("{/}", True), (r"{/,/srv/docker}", False)], ids=["one", "both"]
)
def test_a_file_system_below_is_read_only_when_it_is_named_too(
    host: Path, tmp_path: Path, paths: str, writable: bool
) -> None:
    store = str(host / "srv/docker")
    with (
        mounted("--bind", store, store),
        running(tmp_path, render(*ON, "--set", f"hostPaths={paths}"), host) as served,
    ):
        served.await_that(lambda: served.get("/-/ready").status == 200)
        assert served.metric('hardlink_root_up{root="/srv/docker"}') == 1
        within = f"--mount=/proc/{served.process.pid}/ns/mnt"
        for place, allowed in (("etc", False), ("srv/docker", writable)):
            words = ["nsenter", within, "touch", str(tmp_path / "mounted" / place)]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert (done.returncode == 0) == allowed, done.stderr
            assert allowed or "Read-only file system" in done.stderr


@root
@pytest.mark.parametrize(
    ("paths", "within_reach"), [("{/}", False), ("{/,/run}", True)], ids=["covered", "named"]
)
def test_the_engines_socket_is_out_of_reach_unless_run_is_named(
    host: Path, tmp_path: Path, paths: str, within_reach: bool
) -> None:
    folder = os.open(host / "run", os.O_PATH)
    with (
        socket.socket(socket.AF_UNIX) as engine,
        running(tmp_path, render(*ON, "--set", f"hostPaths={paths}"), host) as served,
    ):
        engine.bind(f"/proc/self/fd/{folder}/docker.sock")
        engine.listen()
        os.close(folder)
        within = ("nsenter", f"--mount=/proc/{served.process.pid}/ns/mnt")
        rights = ("setpriv", f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}")
        words = (*within, *rights, sys.executable, "-c", CONNECT, str(tmp_path / "mounted/run"))
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == within_reach, done.stderr
        assert within_reach or "FileNotFoundError" in done.stderr
        for name in ("dev", "proc", "sys"):
            seen = Path(f"/proc/{served.process.pid}/root{tmp_path}/mounted/{name}")
            assert list(seen.iterdir()) == []
    (host / "run/docker.sock").unlink()


@root
def test_the_probes_ask_what_answers(pod: Served) -> None:
    (container,) = pod_of(render())["containers"]
    for name, path in (("livenessProbe", "/-/healthy"), ("readinessProbe", "/-/ready")):
        asked = container[name]["httpGet"]
        assert asked == {"path": path, "port": "metrics", "scheme": "HTTP"}
        assert pod.get(asked["path"]).status == 200
    assert [port["name"] for port in container["ports"]] == ["metrics"]


def test_what_the_kubelet_cannot_answer_is_probed_by_a_connection_alone() -> None:
    (container,) = pod_of(render("-f", CHART / "ci/everything-values.yaml"))["containers"]
    for name in ("livenessProbe", "readinessProbe"):
        assert container[name]["tcpSocket"] == {"port": "metrics"}
        assert "httpGet" not in container[name]


def test_the_alerts_look_for_the_job_that_the_monitor_gives() -> None:
    (endpoint,) = of_kind("PodMonitor", render(*ON))["spec"]["podMetricsEndpoints"]
    (job,) = [rule for rule in endpoint["relabelings"] if rule.get("targetLabel") == "job"]
    assert job["replacement"] == Config().alerts.job


@root
def test_prometheus_takes_a_full_host_within_the_limits_and_names_the_node(
    pod: Served, tmp_path: Path
) -> None:
    by_pod = of_kind("PodMonitor", render(*ON))
    by_service = of_kind("ServiceMonitor", render(*ON, "--set", "monitor.kind=ServiceMonitor"))
    tight = deepcopy(by_pod)
    tight["spec"]["sampleLimit"] = 20
    config = scrape_config(pod.port, pods=by_pod, services=by_service, tight=tight)
    with prometheus(tmp_path, config) as server:
        server.await_that(lambda: len(server.instant("up")) == 3)
        target = {"job": "hardlink-exporter", "namespace": "watch"}
        assert [(dict(up.labels), up.value) for up in server.instant("sort(up)")] == [
            ({"__name__": "up", "instance": node} | target, value)
            for node, value in (("tight", 0), ("pods", 1), ("services", 1))
        ]
        (refused,) = [t for t in server.targets() if t["labels"]["instance"] == "tight"]
        assert "sample limit exceeded" in refused["lastError"], "above a limit: refused whole"

        spec = by_pod["spec"]
        series = server.instant('{instance="pods",__name__=~"(hardlink|process|python)_.*"}')
        (samples,) = server.instant('scrape_samples_scraped{instance="pods"}')
        assert samples.value == len(series) <= 100, "what the chart and its README count with"
        assert spec["sampleLimit"] == 10 * 100
        assert max(len(s.labels) for s in series) == 9 <= spec["labelLimit"] / 2
        longest = max(len(value) for s in series for value in s.labels.values())
        assert longest == len(LONGEST) == 384 <= spec["labelValueLengthLimit"] / 2
