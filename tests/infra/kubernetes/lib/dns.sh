# CoreDNS as a process in the control plane's namespace, where pods reach it at port 53 of its address.

cluster_dns() {
    # Every other name is unknown at once, in a block of its own: in the same block its template would come first.
    cat >"$run/Corefile" <<EOF
cluster.local:53 10.in-addr.arpa:53 {
  bind $control_plane_address
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local 10.in-addr.arpa {
    kubeconfig $inside
    pods insecure
    ttl 1
  }
}
.:53 {
  bind $control_plane_address
  template ANY ANY . {
    rcode NXDOMAIN
  }
}
EOF
    start coredns nsenter --net="/run/netns/$control_plane_namespace" "$bin/coredns" -conf "$run/Corefile"
    await 30 CoreDNS in_control_plane curl -fsS --max-time 1 http://127.0.0.1:8181/ready
}
