# Says everything that this machine lacks for the cluster, at once, and how to get it.

check_machine() { # control-plane or cluster
    local missing=() need
    [ "$(uname -sm)" = "Linux x86_64" ] || missing+=("a Linux x86_64 machine")
    [ "$(id -u)" = 0 ] || missing+=("root, for namespaces and mounts")
    unshare --net --mount true 2>/dev/null || missing+=("the right to make network and mount namespaces")
    for need in ip nsenter openssl curl socat flock; do
        command -v "$need" >/dev/null || missing+=("$need")
    done
    if [ "$1" = cluster ]; then
        for need in runc iptables nft conntrack busybox jq buildah mmdebstrap strip; do
            command -v "$need" >/dev/null || missing+=("$need")
        done
        [ -x /usr/lib/cni/bridge ] || missing+=("/usr/lib/cni/bridge")
        for need in cpu memory pids devices freezer cpuset; do
            [ -d "/sys/fs/cgroup/$need" ] || missing+=("the cgroup v1 controller $need: this cluster does not know cgroup v2 yet")
        done
    fi
    # A Unix socket's path has at most 107 bytes.
    [ "${#run}" -le 80 ] || missing+=("a shorter SPLADE_CLUSTER_RUN: $run is longer than 80 bytes")
    [ ${#missing[@]} = 0 ] && return
    printf 'cluster: missing: %s\n' "${missing[@]}" >&2
    fail "programs come with 'make setup-e2e' (root, Debian or Ubuntu)" 69
}
