#!/usr/bin/env bash
# Fills deploy/wheels with what deploy/Dockerfile installs: this checkout's wheel, those that it
# needs, for glibc 2.28 and newer, and pip's own, so that the base needs no pip.
#
#     deploy/container/wheels.sh [VERSION of the base's Python, by default 3.11]
#
# Needs pip, and PyPI or a mirror of it.
set -euo pipefail
cd "$(dirname "$0")/../.."

machine=$(uname -m)
rm -rf deploy/wheels
pip wheel --quiet --no-deps --wheel-dir deploy/wheels .
pip download --quiet --dest deploy/wheels --only-binary=:all: --python-version "${1:-3.11}" \
  --platform "manylinux_2_28_$machine" --platform "manylinux2014_$machine" \
  pip deploy/wheels/hardlink_exporter-*.whl
