# What happens to nodes: a cable that is pulled, and power that goes.

node_cut() { ip -n "$control_plane_namespace" link set "veth-$1" down; }

# The node leaves the network first: nobody hears of what then ends at once on it, and nothing on it ends in order.
node_kill() { # node
    local id
    node_cut "$1"
    stop "$1-kubelet" 0
    stop "$1-containerd" 0
    kill_pods "$1"
    stop "$1-proxy" 0
}

kill_pods() { # node: every process in its pods, and the shims above them
    local id tick
    for ((tick = 0; tick < 20; tick++)); do
        [ -n "$(node_processes "$1")$(node_shims "$1")" ] || return 0
        for id in $(node_processes "$1") $(node_shims "$1"); do
            kill -KILL "$id" 2>/dev/null || true
        done
        sleep 0.1
    done
    fail "processes of pods of node $1 cannot be killed: $(node_processes "$1" | tr '\n' ' ')"
}

# Shims outlive containerd and belong to nobody's record: they are this cluster's own program with this node's socket.
node_shims() { # node
    local file
    for file in $(grep -lsaF "$run/$1/containerd.sock" /proc/[0-9]*/cmdline 2>/dev/null); do
        if [ "$(readlink "${file%/cmdline}/exe")" = "$bin/containerd-shim-runc-v2" ]; then
            file=${file#/proc/}
            echo "${file%/cmdline}"
        fi
    done
}

# Back from a cut or a kill.
node_restore() { # node
    ip -n "$control_plane_namespace" link set "veth-$1" up
    start_node "$1"
    service_proxy "$1"
    await 60 "node $1 Ready" is_ready "$1"
}
