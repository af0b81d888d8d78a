#!/usr/bin/env bash
# Builds the programs of the test cluster from Go modules, each once:
#
#   build.sh [control-plane|cluster|kueue|PROGRAM]...     default: cluster
#   build.sh --print                                      the folder they go to: bin/, charts/ and kwok/ below it
#
# The folder carries the digest of the modules' files and of this script. Safe to run several times at once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${SPLADE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/splade-operator}
shopt -s globstar
target=$cache/cluster-$(cd "$here" && cat go/**/*.* build.sh pause.c | sha256sum | cut -c1-12)

kubernetes=v1.36.3
control_plane=(etcd kube-apiserver kubectl)
cluster=("${control_plane[@]}" kube-controller-manager kube-scheduler kubelet containerd containerd-shim-runc-v2 ctr pause
    kube-proxy coredns helm kwok kubeconform)

# The Go that is installed and modules from the proxy; a refused module must fail here, not at some git host.
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly CGO_ENABLED=0
GOPROXY=$(go env GOPROXY)
export GOPROXY=${GOPROXY%,direct}
# Gigabytes of objects that nothing else shares: in the cache, and removed below when the disk is short.
export GOCACHE=$cache/cluster-go-build

compile() { # program, module folder, package, linker flags
    (cd "$here/go/$2" && go build -trimpath -buildvcs=false -ldflags="-s -w ${4:-}" -o "$target/new/$1" "$3")
}

# Kubernetes reports this version to clients, and charts ask for it.
version_flags() {
    local package flags=""
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=1 -X $package.gitMinor=36"
        flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=$(printf %040d 0) -X $package.buildDate=2026-01-01T00:00:00Z"
    done
    echo "$flags"
}

# What a module ships beside its code: copied, since the module cache may be emptied.
keep() { # module folder, module, path in it, name here
    local source
    source=$(cd "$here/go/$1" && go list -m -f '{{.Dir}}' "$2")
    rm -rf "${target:?}/$4"
    mkdir -p "$(dirname "$target/$4")"
    cp -r "$source/$3" "$target/$4"
    chmod -R u+w "$target/$4"
}

build() {
    case $1 in
        kube-* | kubectl | kubelet) compile "$1" kubernetes "k8s.io/kubernetes/cmd/$1" "$(version_flags)" ;;
        etcd) compile etcd etcd go.etcd.io/etcd/server/v3 ;;
        containerd | ctr | containerd-shim-runc-v2) compile "$1" containerd "github.com/containerd/containerd/v2/cmd/$1" ;;
        coredns) compile coredns coredns . ;;
        helm) compile helm helm helm.sh/helm/v4/cmd/helm ;;
        kubeconform) compile kubeconform kubeconform github.com/yannh/kubeconform/cmd/kubeconform ;;
        pause) gcc -static -Os -s -Wall -Werror -o "$target/new/pause" "$here/pause.c" ;;
        kwok)
            compile kwok kwok sigs.k8s.io/kwok/cmd/kwok
            keep kwok sigs.k8s.io/kwok kustomize kwok
            ;;
        kueue)
            compile kueue kueue sigs.k8s.io/kueue/cmd/kueue
            keep kueue sigs.k8s.io/kueue charts/kueue charts/kueue
            ;;
        *)
            echo "build.sh: no program '$1'; there are ${cluster[*]} kueue" >&2
            exit 64
            ;;
    esac
    mv "$target/new/$1" "$target/bin/$1"
}

spare_disk() {
    local free_gb
    free_gb=$(df --output=avail -BG "$cache" | tail -n 1 | tr -dc 0-9)
    [ "$free_gb" -ge 12 ] && return
    echo "cluster: $free_gb GB are free; removing the objects of these builds" >&2
    go clean -cache
}

# One program at a time over all callers: two links side by side take more memory than they save time.
build_once() {
    [ -x "$target/bin/$1" ] && return
    (
        flock 9
        if [ ! -x "$target/bin/$1" ]; then
            echo "cluster: building $1"
            build "$1"
            spare_disk
        fi
    ) 9>"$target/lock"
}

if [ "${1:-}" = --print ]; then
    echo "$target"
    exit 0
fi
programs=()
for group in "${@:-cluster}"; do
    case $group in
        control-plane) programs+=("${control_plane[@]}") ;;
        cluster) programs+=("${cluster[@]}") ;;
        *) programs+=("$group") ;;
    esac
done
mkdir -p "$target"/{bin,new}
for program in "${programs[@]}"; do
    build_once "$program"
done
