#!/usr/bin/env bash
# Ends the cluster and removes all that it made; with none there it does nothing. What the build made stays.
# Every process is ended by the record of its start, those of pods by their node's cgroup.
set -euo pipefail
# shellcheck source=lib/all.sh
. "$(dirname "$0")/lib/all.sh"

# Last started, first stopped: no daemon may restart what goes, and the API server ends before the etcd that it waits for.
stop_node() { # node
    local group mount
    stop "$1-proxy" 1
    stop "$1-kubelet" 0
    kill_pods "$1"
    stop "$1-containerd" 1
    kill_pods "$1"
    stop "$1-mounts" 0
    while read -r mount; do
        umount --lazy "$mount"
    done < <(awk -v folder="$run/$1/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | sort --reverse)
    for group in /sys/fs/cgroup/*/"$name-$1"; do
        [ -d "$group" ] && find "$group" -depth -type d -exec rmdir {} \;
    done
    return 0
}

[ -d "$run" ] || exit 0
exec 9>"${run%/*}/$name.lock"
flock 9
for process in s3-outside s3-inside api-outside api-inside kwok collector s3; do
    stop "$process" 0
done
for node in "${nodes[@]}"; do
    stop_node "$node"
done
for process in coredns scheduler controller-manager apiserver etcd; do
    stop "$process" 1
done
for namespace in "${nodes[@]/#/$name-}" "$control_plane_namespace"; do
    if [ -e "/run/netns/$namespace" ]; then ip netns del "$namespace"; fi
done
if [ -f "$run/sysctl" ]; then sysctl --quiet --load "$run/sysctl"; fi
rm -rf --one-file-system "$run"
say "down"
