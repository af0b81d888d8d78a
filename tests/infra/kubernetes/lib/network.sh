# A bridge in the control plane's network namespace, and one namespace a node with a veth to it.
# None has a route to the machine's own network: nothing that a test sends can leave.

control_plane_network() {
    [ -e "/run/netns/$control_plane_namespace" ] && return
    ip netns add "$control_plane_namespace"
    ip -n "$control_plane_namespace" link set lo up
    ip -n "$control_plane_namespace" link add bridge0 type bridge
    ip -n "$control_plane_namespace" addr add "$control_plane_address/24" dev bridge0
    ip -n "$control_plane_namespace" link set bridge0 up
    in_control_plane sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0
}

node_network() { # node
    local namespace other
    namespace=$(node_namespace "$1")
    [ -e "/run/netns/$namespace" ] && return
    ip netns add "$namespace"
    ip -n "$namespace" link set lo up
    ip -n "$control_plane_namespace" link add "veth-$1" type veth peer name eth0 netns "$namespace"
    ip -n "$control_plane_namespace" link set "veth-$1" master bridge0 up
    ip -n "$namespace" addr add "$(node_address "$1")/24" dev eth0
    ip -n "$namespace" link set eth0 up
    ip -n "$namespace" route add default via "$control_plane_address"
    ip -n "$control_plane_namespace" route add "$(pod_cidr "$1")" via "$(node_address "$1")"
    for other in "${nodes[@]}"; do
        [ "$other" = "$1" ] || ip -n "$namespace" route add "$(pod_cidr "$other")" via "$(node_address "$other")"
    done
    in_node_network "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0
}

# A port of the control plane's namespace on the machine's 127.0.0.1. The two namespaces meet in a Unix socket.
relay() { # name, port inside, port outside
    if ! running "$1-outside" && (exec 3<>"/dev/tcp/127.0.0.1/$3") 2>/dev/null; then
        fail "port $3 of 127.0.0.1 is taken; choose another by SPLADE_CLUSTER_PORT or SPLADE_CLUSTER_S3_PORT"
    fi
    rm -f "$run/$1.sock"
    stop "$1-inside" 0
    start "$1-inside" nsenter --net="/run/netns/$control_plane_namespace" \
        socat "UNIX-LISTEN:$run/$1.sock,fork" "TCP:$control_plane_address:$2"
    start "$1-outside" socat "TCP-LISTEN:$3,bind=127.0.0.1,reuseaddr,fork" "UNIX-CONNECT:$run/$1.sock"
}
