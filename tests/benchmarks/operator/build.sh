#!/usr/bin/env bash
# Builds the managers that the operator is measured against, each once:
#
#   build.sh            jobset and trainer-controller-manager, and their Helm charts
#   build.sh --print    the folder they go to: bin/ and charts/ below it
#
# The folder carries the digest of the modules' files and of this script. Safe to run several times at once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
target=$cache/bench-operator-$(cd "$here" && cat go/*/go.* build.sh | sha256sum | cut -c1-12)
if [ "${1:-}" = --print ]; then
    echo "$target"
    exit 0
fi

# The Go that is installed and modules from the proxy; a refused module must fail here, not at some git host.
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly CGO_ENABLED=0
GOPROXY=$(go env GOPROXY)
export GOPROXY=${GOPROXY%,direct}
export GOCACHE=$cache/bench-go-build

build() { # program, module folder, package, module, chart's folder in the module
    [ -x "$target/bin/$1" ] && return
    echo "building $1"
    local source
    source=$(cd "$here/go/$2" && go mod download "$4" && go list -m -f '{{.Dir}}' "$4")
    rm -rf "$target/charts/$2"
    cp -r "$source/$5" "$target/charts/$2"
    chmod -R u+w "$target/charts/$2"
    (cd "$here/go/$2" && go build -trimpath -buildvcs=false -ldflags="-s -w" -o "$target/$1.new" "$3")
    mv "$target/$1.new" "$target/bin/$1"
}

mkdir -p "$target"/{bin,charts}
exec 9>"$target/lock"
flock 9
build jobset jobset sigs.k8s.io/jobset sigs.k8s.io/jobset charts/jobset
trainer=github.com/kubeflow/trainer/v2
build trainer-controller-manager trainer "$trainer/cmd/trainer-controller-manager" "$trainer" charts/kubeflow-trainer
# Its subcharts lie in a registry; JobSet is installed from its own chart.
sed -i '/^dependencies:/,/^keywords:/{/^keywords:/!d}' "$target/charts/trainer/Chart.yaml"
rm -f "$target/charts/trainer/Chart.lock"
# Gigabytes of objects that nothing else shares.
rm -rf "$GOCACHE"
