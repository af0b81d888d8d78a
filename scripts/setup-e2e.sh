#!/usr/bin/env bash
# Gets what the test cluster needs: Debian packages, the programs that are built from Go modules, and what make setup brings.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
packages=(runc containernetworking-plugins iptables nftables conntrack iproute2 socat busybox-static jq openssl curl
    buildah mmdebstrap binutils gcc libc6-dev)
if [ ! -d /sys/fs/cgroup/memory ]; then
    echo "setup: the test cluster needs cgroup v1, and this machine has v2: boot with systemd.unified_cgroup_hierarchy=0" >&2
    exit 69
fi
absent=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || absent+=("$package")
done
if [ ${#absent[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] || {
        echo "setup: root must install: apt-get install --no-install-recommends ${absent[*]}" >&2
        exit 77
    }
    echo "setup: installing ${absent[*]}"
    apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends "${absent[@]}" >/dev/null
fi
"$here/scripts/check-machine.sh" --tests
"$here/scripts/setup-references.sh"
"$here/scripts/setup-collector.sh"
"$here/tests/infra/kubernetes/build.sh" cluster kueue
