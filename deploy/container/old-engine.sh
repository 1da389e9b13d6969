#!/usr/bin/env bash
# Proves that the image runs on old engines: makes the base and the image, and runs it on this
# machine's engine under the seccomp profile of an engine of 2017, which answers clone3 with EPERM.
#
#     deploy/container/old-engine.sh [BASE.tar]
#
# Without an archive made by base.sh it makes one first.
# Needs root, what base.sh needs, pip, python3 and a Docker Engine 20.10 or newer that answers
# `docker info`; some 6 minutes on 2 busy cores. The image stays, as hardlink-exporter.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d "${TMPDIR:-/var/tmp}/old-engine.XXXXXX")
name="old-engine-proof"
trap 'docker rm -f "$name" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
say() { printf '\n== %s\n' "$*"; }

if [ -n "${1:-}" ]; then
  base=$1
else
  base=$work/base.tar
  deploy/container/base.sh "$base"
fi
docker import "$base" hardlink-base >/dev/null

say "the image"
deploy/container/wheels.sh 3.11
DOCKER_BUILDKIT=0 docker build --quiet --build-arg BASE=hardlink-base \
  -t hardlink-exporter -f deploy/Dockerfile . >/dev/null 2>"$work/build" || { cat "$work/build"; exit 1; }
docker image inspect -f '{{len .RootFS.Layers}} layer, {{.Size}} bytes' hardlink-exporter

rights=(--read-only --cap-drop ALL --cap-add DAC_READ_SEARCH --security-opt no-new-privileges)

# What the kernel answers to clone3 (system call 435 on every machine) without arguments, once
# under the engine's own profile and once under the old one.
clone3='import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(435, None, 0)
print("clone3 is answered with", errno.errorcode[ctypes.get_errno()])'
ask() { docker run --rm --network none "${rights[@]}" "$@" --entrypoint python3 hardlink-exporter -c "$clone3"; }

say "the engine's own profile: Docker $(docker version -f '{{.Server.Version}}')"
ask
docker run -d --name "$name" --network none "${rights[@]}" hardlink-exporter serve >/dev/null
shim=$(ps -o ppid= -p "$(docker inspect -f '{{.State.Pid}}' "$name")" | tr -d ' ')
python3 deploy/container/seccomp.py <"/proc/$shim/cwd/config.json" >"$work/2017.json"
docker rm -f "$name" >/dev/null

say "the profile of an old engine"
old=(--security-opt "seccomp=$work/2017.json")
ask "${old[@]}" | tee "$work/answer"
grep -q EPERM "$work/answer"
root=$(docker info -f '{{.DockerRootDir}}')
docker run -d --name "$name" --network none "${rights[@]}" "${old[@]}" --health-interval 1s \
  -v /:/host:ro hardlink-exporter serve --path.rootfs=/host "$root" >/dev/null
inside() { docker exec "$name" python3 -c "$1"; }
for _ in $(seq 60); do
  [ "$(docker inspect -f '{{.State.Health.Status}}' "$name")" = healthy ] && break
  sleep 1
done
docker inspect -f 'container {{.State.Status}} and {{.State.Health.Status}}' "$name" | tee "$work/state"
if ! grep -qx 'container running and healthy' "$work/state"; then
  docker logs "$name"
  exit 1
fi
inside 'import glob
for path in sorted(glob.glob("/proc/[0-9]*")):
    told = dict(line.split(":\t", 1) for line in open(path + "/status"))
    words = open(path + "/cmdline").read().split("\0")
    if "-c" not in words:
        print("process", told["Pid"].strip(), "of", told["Threads"].strip(), "threads:", *words[1:5])'
for _ in $(seq 60); do
  inside 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:10650/metrics").read().decode())' \
    >"$work/metrics"
  grep -q '^hardlink_scan_coverage_ratio.* 1.0$' "$work/metrics" && break
  sleep 1
done
grep -E '^hardlink_(root_up|links_max|layers\{.*image|scan_coverage|watch_active)' "$work/metrics" |
  sed -E 's/root="[^"]*"/root="..."/'
docker stop -t 10 "$name" >/dev/null
docker inspect -f 'ended with {{.State.ExitCode}}' "$name"
