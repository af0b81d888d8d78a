#!/usr/bin/env bash
# Builds what the tests of telemetry run beside splade-job: an OpenTelemetry collector and Prometheus' metrics linter.
# Their folder carries the digest of their sources, so a change makes a new one.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
programs=(otel-collector promlint)
sources=()
for program in "${programs[@]}"; do
    sources+=("$here/tests/infra/$program"/{go.mod,go.sum,main.go})
done
target=$cache/test-tools-$(cat "${sources[@]}" | sha256sum | cut -c1-12)
if [ "${1:-}" = --print ]; then
    echo "$target"
    exit 0
fi
[ -e "$target/complete" ] && exit 0
echo "setup: building an OpenTelemetry collector for the tests, once (some minutes, 150 MB to download)"
# The Go that is installed and modules from the proxy; a refused module must fail here, not at some git host.
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly CGO_ENABLED=0
GOPROXY=$(go env GOPROXY)
export GOPROXY=${GOPROXY%,direct}
rm -rf "$target"
mkdir -p "$target"
for program in "${programs[@]}"; do
    (cd "$here/tests/infra/$program" && go build -trimpath -ldflags='-s -w' -o "$target/$program" .)
done
touch "$target/complete"
