#!/usr/bin/env bash
# Installs TensorBoard, of the version that the tests use, into a virtual environment outside the clone.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
requirement=$(grep '^tensorboard==' "$here/tests/references/requirements.txt")
target=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}/$(tr -s '=' '-' <<<"$requirement")
if [ "${1:-}" = --print ]; then
    echo "$target/bin/tensorboard"
    exit 0
fi
[ -e "$target/complete" ] && exit 0
echo "setup: installing TensorBoard into $target, once"
rm -rf "$target"
python3 -m venv "$target"
# It reads its own entry points through setuptools, which later versions lack a part of.
"$target/bin/pip" install --quiet "$requirement" 'setuptools<81'
touch "$target/complete"
