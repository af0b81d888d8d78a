# Names, addresses and folders of the test cluster; sourced by every script here.
#
# Several clusters can run beside each other under different SPLADE_CLUSTER names: all addresses below are inside network
# namespaces of that name, and only the relays' ports on 127.0.0.1 must differ.
name=${SPLADE_CLUSTER:-splade}

library=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
infra=${library%/*}
repository=$(cd "$infra/../../.." && pwd)
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
run=${SPLADE_CLUSTER_RUN:-$cache/cluster-run}/$name
programs=$("$infra/build.sh" --print)
bin=$programs/bin
pki=$run/pki
inside=$pki/admin.conf

# A running cluster keeps what it was started with.
chosen() { # what, value asked for, default
    cat "$run/$1" 2>/dev/null || echo "${2:-$3}"
}
api_port=$(chosen api-port "${SPLADE_CLUSTER_PORT:-}" 6443)
s3_port=$(chosen s3-port "${SPLADE_CLUSTER_S3_PORT:-}" 9000)
read -ra nodes <<<"$(chosen nodes "${SPLADE_CLUSTER_NODES:-}" "n1 n2")"

control_plane_namespace=$name-cp
control_plane_address=10.77.0.1
service_cidr=10.96.0.0/16
kubernetes_service=10.96.0.1

node_address() { echo "10.77.0.1${1#n}"; }
pod_cidr() { echo "10.78.${1#n}.0/24"; }
node_namespace() { echo "$name-$1"; }

say() { echo "cluster: $*"; }
fail() {
    echo "cluster: $1" >&2
    exit "${2:-70}"
}

in_control_plane() { nsenter --net="/run/netns/$control_plane_namespace" "$@"; }
in_node_network() { nsenter --net="/run/netns/$(node_namespace "$1")" "${@:2}"; }
kubectl() { in_control_plane "$bin/kubectl" --kubeconfig="$inside" "$@"; }
node_ctr() { "$bin/ctr" --address "$run/$1/containerd.sock" --namespace k8s.io "${@:2}"; }
