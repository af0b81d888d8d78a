#!/usr/bin/env bash
# Starts a Kubernetes cluster on this machine, or what it lacks of one that runs:
#
#   up.sh control-plane   etcd and the API server alone: for tests of the API
#   up.sh [cluster]       all of it: controllers, DNS, two real nodes with 8 nvidia.com/gpu each
#   up.sh s3              S3 (moto) for pods and for this machine, with a bucket `splade`
#   up.sh collector       an OpenTelemetry collector that writes all it gets to a file
#   up.sh fake-nodes=N    N nodes of kwok
#   up.sh kueue           Kueue, from its own chart
#
# Several words are done in their order. README.md beside this says more.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "$0")/lib/all.sh"

control_plane() {
    check_machine control-plane
    "$infra/build.sh" control-plane
    mkdir -p "$run"
    echo "$api_port" >"$run/api-port"
    control_plane_network
    control_plane_pki
    api_server
    relay api 6443 "$api_port"
    await 10 "the relay to the API server" "$bin/kubectl" --kubeconfig="$run/kubeconfig" get --raw /readyz
    say "the API server is up: export KUBECONFIG=$run/kubeconfig"
}

# What the kubelet and we change of the whole machine, so that down.sh can put it back.
keep_sysctls() {
    local settings=(fs.inotify.max_user_instances fs.inotify.max_user_watches vm.overcommit_memory kernel.panic
        kernel.panic_on_oops)
    [ -f "$run/sysctl" ] || sysctl "${settings[@]}" >"$run/sysctl"
    sysctl -qw fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=524288
}

cluster() {
    local node
    check_machine cluster
    "$infra/build.sh" cluster
    control_plane
    echo "${nodes[*]}" >"$run/nodes"
    keep_sysctls
    build_test_images
    controllers
    cluster_dns
    for node in "${nodes[@]}"; do
        node_network "$node"
    done
    for node in "${nodes[@]}"; do
        start_node "$node"
    done
    for node in "${nodes[@]}"; do
        await 60 "node $node Ready" is_ready "$node"
        service_proxy "$node"
        add_devices "$node"
    done
    say "nodes ${nodes[*]} are Ready; kubectl is $bin/kubectl"
}

needs_control_plane() { running apiserver || fail "no cluster named $name runs; start one with up.sh" 69; }

mkdir -p "${run%/*}"
exec 9>"${run%/*}/$name.lock"
flock 9
for stage in "${@:-cluster}"; do
    case $stage in
        control-plane) control_plane ;;
        cluster) cluster ;;
        s3) needs_control_plane && object_storage ;;
        collector) needs_control_plane && collector ;;
        fake-nodes=*) needs_control_plane && fake_nodes "${stage#*=}" ;;
        kueue) needs_control_plane && queue_controller ;;
        *) fail "up.sh: '$stage' is not control-plane, cluster, s3, collector, fake-nodes=N or kueue" 64 ;;
    esac
done
