# kube-proxy of each node: Services by nftables rules in the node's network namespace.

service_proxy() { # node
    client proxy /CN=system:kube-proxy
    cat >"$run/$1/proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: $1
clusterCIDR: 10.78.0.0/16
clientConnection: {kubeconfig: $pki/proxy.conf}
conntrack: {maxPerCore: 0}
bindAddress: $(node_address "$1")
EOF
    start "$1-proxy" nsenter --net="/run/netns/$(node_namespace "$1")" "$bin/kube-proxy" --config="$run/$1/proxy.yaml"
    await 30 "the Service network on node $1" \
        in_node_network "$1" curl -ksS --max-time 1 "https://$kubernetes_service/version"
}
