#!/usr/bin/env bash
# Tests the chart: `make test-chart`. Needs Go, and a Python with PyYAML in SPLADE_PYTHON. Starts no cluster.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
python=${SPLADE_PYTHON:-python3}
build=$repository/tests/infra/kubernetes/build.sh
"$build" helm kubeconform
PATH=$("$build" --print)/bin:$PATH
export PATH

# The schemas carry the digest of what they are made from.
schemas=$cache/chart-schemas-$(cat "$here"/schemas/{go.mod,go.sum,write.py} "$repository"/crds/yaml/*.yaml | sha256sum | cut -c1-12)
if [ ! -e "$schemas" ]; then
    echo "test-chart: fetching the schemas of Kubernetes and of the Prometheus Operator, once"
    export GOTOOLCHAIN=local GOFLAGS=-mod=readonly
    GOPROXY=$(go env GOPROXY)
    export GOPROXY=${GOPROXY%,direct}
    folder() {
        (cd "$here/schemas" && go mod download -json "$1") |
            "$python" -c 'import json, sys; print(json.load(sys.stdin)["Dir"])'
    }
    kubernetes=$(folder k8s.io/kubernetes)
    prometheus=$(folder github.com/prometheus-operator/prometheus-operator)
    mkdir -p "$cache"
    new=$(mktemp -d "$schemas.XXXXXX")
    "$python" "$here/schemas/write.py" "$kubernetes" "$prometheus" "$new"
    mv --no-target-directory "$new" "$schemas" 2>/dev/null || rm -rf "$new"
fi
export SPLADE_CHART_SCHEMAS=$schemas
"$python" "$repository/scripts/chart-files.py" --check
exec "$python" -m unittest discover --start-directory "$here" --top-level-directory "$here" "$@"
