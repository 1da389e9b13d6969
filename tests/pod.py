"""A pod of the chart without a kubelet: its arguments, privileges and mounts, on a host made by the test."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from chart import Document, pod_of
from ending import end
from serving import Served, free_port

WITHIN = """
set -e
mount --make-rprivate /
{mounts}
mount -o remount,bind,ro /
exec setpriv --reuid={user} --regid={group} --clear-groups --bounding-set={caps} --inh-caps={caps} {privs} {words}
"""


@contextmanager
def running(folder: Path, documents: list[Document], host: Path) -> Iterator[Served]:
    """Run the pod's one container until the block ends, as a runtime would start it.

    `host` is the host's `/`, which the pod sees below `folder`/mounted; the container's own root
    file system is this machine's, read-only.
    """
    pod = pod_of(documents)
    (container,) = pod["containers"]
    for document in documents:
        for name, text in document.get("data", {}).items():
            (folder / name).write_text(text)
    mounted = folder / "mounted"
    mounted.mkdir()
    port = free_port()
    said = container["securityContext"]
    assert said["readOnlyRootFilesystem"]
    changes = [f"-{name.lower()}" for name in said["capabilities"]["drop"]]
    changes += [f"+{name.lower()}" for name in said["capabilities"]["add"]]
    words = [sys.executable, "-m", "exporter", *container["args"]]
    script = WITHIN.format(
        mounts="\n".join(_mounts(pod, host, mounted)),
        user=said["runAsUser"],
        group=pod["securityContext"]["runAsGroup"],
        caps=",".join(changes),
        privs="" if said["allowPrivilegeEscalation"] else "--no-new-privs",
        words=shlex.join(
            word.replace("=/host", f"={mounted}")
            .replace("=/etc/hardlink-exporter/config", f"={folder}")
            .replace(f"=:{container['ports'][0]['containerPort']}", f"=127.0.0.1:{port}")
            for word in words
        ),
    )
    log = folder / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script], stdout=stderr, stderr=stderr
        )
    served = Served(process, port, log)
    try:
        served.await_that(lambda: answers(served))
        yield served
    finally:
        end(process)


def _mounts(pod: Document, host: Path, mounted: Path) -> Iterator[str]:
    """Mount what the pod sees of the host as a runtime does: outermost first, read-only on top.

    What lies below a path of the host comes with it.
    """
    empty = mounted.with_name("empty")
    empty.mkdir()
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    places = pod["containers"][0]["volumeMounts"]
    for mount in sorted(places, key=lambda place: len(Path(place["mountPath"]).parts)):
        volume = volumes[mount["name"]]
        if "hostPath" in volume:
            there = f"{host}{volume['hostPath']['path']}".rstrip("/")
        elif "emptyDir" in volume:
            there = str(empty)
        else:
            continue
        assert mount["readOnly"]
        here = shlex.quote(f"{mounted}{mount['mountPath'].removeprefix('/host')}")
        yield f"mount --rbind {shlex.quote(there)} {here}"
        yield f"mount -o remount,bind,ro {here}"


def answers(served: Served) -> bool:
    """Say whether the daemon listens yet."""
    try:
        return served.get("/-/healthy").status == 200
    except OSError:
        return False


def scrape_config(port: int, **monitors: Document) -> str:
    """Write monitors as Prometheus has them, as the operator does, each for one pod on a node of that name."""
    return yaml.safe_dump({"scrape_configs": [_job(m, node, port) for node, m in monitors.items()]})


def _job(monitor: Document, node: str, port: int) -> Document:
    spec = monitor["spec"]
    (endpoint,) = spec.get("podMetricsEndpoints") or spec["endpoints"]
    found = {
        "targets": [f"127.0.0.1:{port}"],
        "labels": {
            "__meta_kubernetes_pod_node_name": node,
            "namespace": "watch",
            "pod": "links-hardlink-exporter-x7k2p",
            "container": "exporter",
            "endpoint": "metrics",
        },
    }
    return {
        "job_name": node,
        "scrape_interval": "1s",  # its own would make the test wait
        "scrape_timeout": "1s",
        "metrics_path": endpoint["path"],
        "scheme": endpoint["scheme"],
        "sample_limit": spec["sampleLimit"],
        "label_limit": spec["labelLimit"],
        "label_name_length_limit": spec["labelNameLengthLimit"],
        "label_value_length_limit": spec["labelValueLengthLimit"],
        "relabel_configs": [
            {_snake(key): value for key, value in rule.items()} for rule in endpoint["relabelings"]
        ],
        "static_configs": [found],
    }


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
