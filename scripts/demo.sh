#!/usr/bin/env bash
# The whole journey on this machine: a Kubernetes cluster with two nodes, the chart, the quickstart's training from `kubectl apply` to scores.
# The cluster stays, to look around in; `make cluster-down` ends it.
#
#   demo.sh JOB    JOB: the splade-job of this machine, which makes the model to start from
set -euo pipefail
cd "$(dirname "$0")/.."
# Seconds that the training may take; it takes some four minutes on two cores.
readonly LONGEST=3600
job=$1
infra=tests/infra/kubernetes
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
export KUBECONFIG=${SPLADE_CLUSTER_RUN:-$cache/cluster-run}/${SPLADE_CLUSTER:-splade}/kubeconfig

shown() {
    echo
    echo "\$ $*"
    "$@"
}

# The S3 of the test cluster believes whoever says who asks.
put() { # folder, prefix
    local file
    find "$1" -type f -printf '%P\n' | while read -r file; do
        curl --fail --silent --show-error --output /dev/null --aws-sigv4 aws:amz:us-east-1:s3 --user demo:demo \
            --upload-file "$1/$file" "http://127.0.0.1:${SPLADE_CLUSTER_S3_PORT:-9000}/splade/$2/$file"
    done
}

ended() { # condition...
    local condition
    for condition; do
        [ "$(kubectl get spladetraining quickstart \
            --output "jsonpath={.status.conditions[?(@.type==\"$condition\")].status}")" = True ] && return
    done
    return 1
}

echo "== A cluster on this machine, with the images of this clone"
"$infra/up.sh" cluster s3 collector
"$infra/images.sh"
PATH=$("$infra/build.sh" --print)/bin:$PATH

echo "== The model to start from and the data, in its S3"
scratch=$(mktemp --directory)
trap 'rm -rf "$scratch"' EXIT
"$job" init --text data/quickstart/corpus.jsonl data/quickstart/train.jsonl --out "$scratch/model" --vocab-size 4000 --hidden-size 256
put "$scratch/model" models/quickstart-base
put data/quickstart data/quickstart

echo "== The operator"
shown helm upgrade --install splade-operator charts/splade-operator --namespace splade-system --create-namespace --wait --hide-notes \
    --set image.repository=localhost/splade-operator,image.tag=e2e,image.pullPolicy=Never \
    --set jobImage.repository=localhost/splade-job,jobImage.tag=e2e \
    --set telemetry.otlpEndpoint=http://10.77.0.1:4317
kubectl get secret splade-storage >/dev/null 2>&1 ||
    kubectl create secret generic splade-storage --from-literal=access-key-id=demo --from-literal=secret-access-key=demo

echo "== A training"
shown kubectl apply --filename configs/quickstart-kubernetes.yaml
SECONDS=0
until ended Succeeded Failed; do
    if ((SECONDS > LONGEST)); then
        echo "demo: the training has not ended within $LONGEST s; this is where it stands:" >&2
        kubectl describe spladetraining quickstart >&2
        kubectl get pods --output wide >&2
        exit 75
    fi
    sleep 10
    kubectl get spladetraining quickstart --no-headers
done
shown kubectl get spladetrainings,spladebenchmarks
shown kubectl get events --field-selector involvedObject.kind=SpladeTraining
ended Succeeded || {
    kubectl describe spladetraining quickstart >&2
    exit 70
}
echo
echo "To look around: export KUBECONFIG=$KUBECONFIG PATH=$("$infra/build.sh" --print)/bin:\$PATH"
echo "To end it: make cluster-down"
