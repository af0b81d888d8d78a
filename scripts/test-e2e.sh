#!/usr/bin/env bash
# Runs the end-to-end tests on a cluster of their own: starts it, installs the chart with this clone's images, tests, and ends it.
#
#   test-e2e.sh JOB [NAME...]    JOB: the splade-job of this machine; NAME: only the tests whose names contain one of these
#
# SPLADE_E2E_KEEP=1 keeps the cluster, for a second run and for looking around.
set -euo pipefail
cd "$(dirname "$0")/.."
job=$1
shift
export SPLADE_CLUSTER=${SPLADE_CLUSTER:-e2e}
export SPLADE_CLUSTER_PORT=${SPLADE_CLUSTER_PORT:-36443} SPLADE_CLUSTER_S3_PORT=${SPLADE_CLUSTER_S3_PORT:-39000}
infra=tests/infra/kubernetes
PATH=$("$infra/build.sh" --print)/bin:$PATH
run=${SPLADE_CLUSTER_RUN:-${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}/cluster-run}/$SPLADE_CLUSTER
export PATH KUBECONFIG=$run/kubeconfig
[ -n "${SPLADE_E2E_KEEP:-}" ] || trap '"$infra/down.sh"' EXIT

"$infra/up.sh" cluster s3 collector
"$infra/images.sh"
values=$run/values.yaml
cat >"$values" <<YAML
image: {repository: localhost/splade-operator, tag: e2e, pullPolicy: Never}
jobImage: {repository: localhost/splade-job, tag: e2e}
progressIntervalSeconds: 2
telemetry: {otlpEndpoint: "http://10.77.0.1:4317"}
YAML
helm upgrade --install splade-operator charts/splade-operator --namespace splade-system --create-namespace \
    --values "$values" --wait --timeout 120s >/dev/null
# A cluster that was kept has an operator of an older image under the same tag.
kubectl --namespace splade-system rollout restart deployment/splade-operator >/dev/null
kubectl --namespace splade-system rollout status deployment/splade-operator --timeout=120s >/dev/null
export RUST_BACKTRACE=0

export SPLADE_E2E_JOB=$job SPLADE_E2E_VALUES=$values SPLADE_E2E_TELEMETRY=$run/telemetry.jsonl
export SPLADE_E2E_S3=http://127.0.0.1:$SPLADE_CLUSTER_S3_PORT SPLADE_E2E_S3_OF_PODS=http://10.77.0.1:9000
# One after another: they share nodes, links and the operator.
cargo test --release --locked -p splade-operator --features e2e --test e2e -- --test-threads=1 "$@"
