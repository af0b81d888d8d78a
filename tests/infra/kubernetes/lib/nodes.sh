# Real nodes: a kubelet and a containerd each, in a network namespace and a mount namespace of their own.

# Controllers of cgroup v1 in which each node has a root of its own: kubelets that share one delete each other's pods.
controllers_of_cgroups=(cpu cpuacct cpuset memory devices freezer blkio pids systemd)

node_cgroups() { # node
    local controller group
    for controller in "${controllers_of_cgroups[@]}"; do
        group=/sys/fs/cgroup/$controller/$name-$1
        [ -d "${group%/*}" ] || continue
        mkdir -p "$group"
        if [ "$controller" = cpuset ]; then
            cat "${group%/*}/cpuset.cpus" >"$group/cpuset.cpus"
            cat "${group%/*}/cpuset.mems" >"$group/cpuset.mems"
        fi
    done
}

node_processes() { # node: ids of all processes in its pods
    find /sys/fs/cgroup/*/"$name-$1" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -un
}

containerd_config() { # node
    local folder=$run/$1
    cat >"$folder/cni/10-pods.conflist" <<EOF
{"cniVersion": "1.0.0", "name": "$name-$1", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$folder/ipam", "ranges": [[{"subnet": "$(pod_cidr "$1")"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
    # restrict_oom_score_adj: root in a container may lack the capability to lower it.
    # nri is off since its socket has one path for the whole machine.
    cat >"$folder/containerd.toml" <<EOF
version = 3
root = "$folder/root"
state = "$folder/state"
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
  address = "$folder/containerd.sock"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "$folder/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "$(command -v runc)"
      SystemdCgroup = false
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "localhost/pause:1"
EOF
}

kubelet_config() { # node
    local folder=$run/$1
    # Images cannot be pulled again, so none is ever collected; a test machine's disk may be rather full.
    cat >"$folder/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$folder/containerd.sock
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$name-$1
failSwapOn: false
oomScoreAdj: 0
maxOpenFiles: 20000
authentication: {x509: {clientCAFile: $pki/ca.crt}, webhook: {enabled: true}, anonymous: {enabled: false}}
authorization: {mode: Webhook}
tlsCertFile: $pki/$1.crt
tlsPrivateKeyFile: $pki/$1.key
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard:
  {memory.available: 200Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%, imagefs.inodesFree: 1%}
nodeStatusUpdateFrequency: 2s
nodeLeaseDurationSeconds: 20
syncFrequency: 5s
resolvConf: ""
clusterDNS: [$control_plane_address]
clusterDomain: cluster.local
podLogsDir: /var/log/pods
volumePluginDir: $folder/plugins
healthzBindAddress: 127.0.0.1
shutdownGracePeriod: 0s
EOF
}

# A sleeper keeps the mount namespace, where the paths that containerd and the kubelet have compiled in are the node's own.
hold_mounts() { # node
    local folder=$run/$1 binds="" pair
    running "$1-mounts" && return
    rm -f "$folder/held"
    for pair in kubelet:/var/lib/kubelet pod-logs:/var/log/pods container-logs:/var/log/containers run:/run/containerd; do
        mkdir -p "$folder/${pair%%:*}" "${pair#*:}"
        binds+="mount --bind '$folder/${pair%%:*}' ${pair#*:} && "
    done
    start "$1-mounts" nsenter --net="/run/netns/$(node_namespace "$1")" unshare --mount --propagation private \
        sh -c "mount --make-rshared / && ${binds}mount --make-rshared /var/lib/kubelet && touch '$folder/held' && exec sleep infinity"
    await 10 "the mount namespace of node $1" test -e "$folder/held"
}

start_in_node() { # node, name, command...
    start "$2" nsenter --net="/run/netns/$(node_namespace "$1")" --mount="/proc/$(process_id "$1-mounts")/ns/mnt" "${@:3}"
}

start_containerd() { # node
    start_in_node "$1" "$1-containerd" "$bin/containerd" --config "$run/$1/containerd.toml"
    await 30 "containerd of node $1" node_ctr "$1" version
}

start_kubelet() { # node
    start_in_node "$1" "$1-kubelet" "$bin/kubelet" --config="$run/$1/kubelet.yaml" --kubeconfig="$pki/$1.conf" \
        --hostname-override="$1" --node-ip="$(node_address "$1")" --cert-dir="$run/$1/kubelet/pki" --v=1
}

start_node() { # node
    mkdir -p "$run/$1"/{cni,ipam,root,state}
    node_cgroups "$1"
    certificate "$1" "/O=system:nodes/CN=system:node:$1" "DNS:$1,IP:$(node_address "$1")"
    kubeconfig "$1" "https://$control_plane_address:6443" "$pki/$1.conf"
    containerd_config "$1"
    kubelet_config "$1"
    hold_mounts "$1"
    start_containerd "$1"
    import_image "$1" pause
    import_image "$1" busybox
    start_kubelet "$1"
}

is_ready() { # node
    kubectl get node "$1" --output jsonpath='{.status.conditions[?(@.type=="Ready")].status}' | grep -qx True
}

has_devices() { # node
    kubectl get node "$1" --output jsonpath='{.status.allocatable.nvidia\.com/gpu}' | grep -qx 8
}

# Eight devices that only the scheduler and the kubelet's admission count: nothing is mounted into a container.
add_devices() { # node
    kubectl patch node "$1" --subresource=status --type=json \
        --patch '[{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "8"}]' >/dev/null
    await 15 "nvidia.com/gpu of node $1" has_devices "$1"
}
