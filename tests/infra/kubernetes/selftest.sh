#!/usr/bin/env bash
# Tests the cluster itself: brings one up under a name of its own, uses all of it, and looks for what is left afterwards.
#
#   selftest.sh     5 minutes; the images are built of the release binaries, as images.sh says
set -euo pipefail
export SPLADE_CLUSTER=selftest SPLADE_CLUSTER_PORT=16443 SPLADE_CLUSTER_S3_PORT=19000
# shellcheck source=lib/all.sh
. "$(dirname "$0")/lib/all.sh"
trap '"$infra/down.sh"' EXIT

check() { # what, command...
    if ("${@:2}") >"$programs/selftest.log" 2>&1; then
        say "ok: $1"
    else
        cat "$programs/selftest.log" >&2
        fail "selftest: $1"
    fi
}
refused() { ! "$@"; }

# A gang of two pods with all devices of a node each; index 1 asks index 0 by its name in the headless Service.
gang() { # name, what each pod runs
    cat <<EOF
apiVersion: v1
kind: Service
metadata: {name: $1}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {job-name: $1}, ports: [{port: 29500}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: $1}
spec:
  completions: 2
  parallelism: 2
  completionMode: Indexed
  backoffLimit: 9
  template:
    spec:
      subdomain: $1
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
      - name: job
        image: localhost/busybox:1
        resources: {limits: {nvidia.com/gpu: 8}}
        command: [sh, -c, '$2']
EOF
}

pod_on() { # job, node
    kubectl get pods --selector "job-name=$1" --field-selector "spec.nodeName=$2,status.phase=Running" \
        --output jsonpath='{.items[*].metadata.name}'
}
runs_on_both() { [ -n "$(pod_on "$1" n1)" ] && [ -n "$(pod_on "$1" n2)" ]; }
evicted() { [ -n "$(kubectl get pod "$1" --output jsonpath='{.metadata.deletionTimestamp}')" ]; }
replaced() { # pod, node
    local now
    now=$(pod_on hold "$2")
    [ -n "$now" ] && [ "$now" != "$1" ]
}
not_ready() { ! is_ready "$1"; }
complete() { kubectl wait --for=condition=Complete "job/$1" --timeout=60s; }
in_pod() { kubectl exec "$(pod_on hold n1)" -- "$@"; }

job_of_image() {
    cat <<'EOF'
apiVersion: batch/v1
kind: Job
metadata: {name: info}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: job
        image: localhost/splade-job:e2e
        imagePullPolicy: Never
        command: [splade-job, info]
        securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
EOF
}

# What a cluster may leave: processes, namespaces, mounts, cgroups.
remains() {
    ip netns list | grep "^$name-"
    grep " $run/" /proc/mounts
    find /sys/fs/cgroup -maxdepth 2 -name "$name-*"
    # The pattern comes by a pipe, so that grep's own command line does not have it; the rest are files.
    # shellcheck disable=SC2062
    echo "$run/" | grep -lsaF -f - /proc/[0-9]*/cmdline
}
nothing_remains() {
    remains
    [ -z "$(remains)" ]
}

check "the cluster starts" "$infra/up.sh" cluster s3 collector
check "a second start changes nothing" "$infra/up.sh" cluster s3 collector

# shellcheck disable=SC2016  # The pod's shell expands these.
gang talk 'if [ $JOB_COMPLETION_INDEX = 0 ]; then echo hello | nc -l -p 29500; else
    until [ "$(nc -w 3 talk-0.talk 29500 </dev/null)" = hello ]; do sleep 1; done; fi' | kubectl apply --filename - >/dev/null
check "a gang over both nodes finds and hears its first member" complete talk

gang hold 'trap exit TERM; sleep 1000 & wait' | kubectl apply --filename - >/dev/null
check "a gang holds all devices" await 30 "two running pods" runs_on_both hold
check "pods reach the API's Service" in_pod sh -c "nc -w 3 $kubernetes_service 443 </dev/null"
check "pods reach S3" in_pod sh -c "nc -w 3 $control_plane_address 9000 </dev/null"
check "pods reach the collector" in_pod sh -c "nc -w 3 $control_plane_address 4317 </dev/null"
check "pods reach nothing outside" refused in_pod ping -c 1 -W 1 "$(hostname --all-ip-addresses | cut -d' ' -f1)"

for fault in cut:n1 kill:n2; do
    node=${fault#*:}
    before=$(pod_on hold "$node")
    check "${fault%:*} $node" "$infra/node.sh" "${fault%:*}" "$node"
    if [ "$fault" = kill:n2 ]; then check "nothing of its pods runs" [ -z "$(node_processes n2)" ]; fi
    check "$node turns NotReady" await 40 "NotReady" not_ready "$node"
    check "its pod is told to go" await 20 "deletion" evicted "$before"
    check "$node comes back" "$infra/node.sh" restore "$node"
    check "another pod runs there" await 60 "another pod" replaced "$before" "$node"
done
kubectl delete job hold >/dev/null

check "the job's image is built and imported" "$infra/images.sh" job
job_of_image | kubectl apply --filename - >/dev/null
check "splade-job runs as nobody on a read-only root" complete info

check "it goes down" "$infra/down.sh"
check "nothing remains" nothing_remains
check "a second end does nothing" "$infra/down.sh"
