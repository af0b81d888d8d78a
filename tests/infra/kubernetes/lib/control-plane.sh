# etcd and the API server, which suffice for tests of the API; and the controllers that make Jobs of objects.

api_server() {
    local further
    read -ra further <<<"${SPLADE_CLUSTER_API_FLAGS:-}"
    start etcd nsenter --net="/run/netns/$control_plane_namespace" "$bin/etcd" --name test --data-dir "$run/etcd" \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster test=http://127.0.0.1:2380 --unsafe-no-fsync --log-level warn
    # Pods leave a lost node after 5 s instead of 300: what tests wait for.
    start apiserver nsenter --net="/run/netns/$control_plane_namespace" "$bin/kube-apiserver" \
        --etcd-servers=http://127.0.0.1:2379 --advertise-address="$control_plane_address" --secure-port=6443 \
        --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
        --client-ca-file="$pki/ca.crt" --cert-dir="$run/apiserver" \
        --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
        --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range="$service_cidr" \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged \
        --kubelet-client-certificate="$pki/apiserver-kubelet.crt" --kubelet-client-key="$pki/apiserver-kubelet.key" \
        --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP,Hostname \
        --enable-aggregator-routing --requestheader-client-ca-file="$pki/ca.crt" \
        --requestheader-allowed-names=front-proxy --requestheader-username-headers=X-Remote-User \
        --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- \
        --proxy-client-cert-file="$pki/front-proxy.crt" --proxy-client-key-file="$pki/front-proxy.key" \
        --default-not-ready-toleration-seconds=5 --default-unreachable-toleration-seconds=5 "${further[@]}"
    await 90 "the API server" kubectl get --raw /readyz
    await 30 "the namespace default" kubectl get namespace default
}

controllers() {
    local further
    read -ra further <<<"${SPLADE_CLUSTER_CONTROLLER_FLAGS:-}"
    client controller-manager /CN=system:kube-controller-manager
    client scheduler /CN=system:kube-scheduler
    # A node counts as lost after 12 s instead of 50.
    start controller-manager nsenter --net="/run/netns/$control_plane_namespace" "$bin/kube-controller-manager" \
        --kubeconfig="$pki/controller-manager.conf" --root-ca-file="$pki/ca.crt" \
        --service-account-private-key-file="$pki/sa.key" --use-service-account-credentials --leader-elect=false \
        --node-monitor-grace-period=12s --node-monitor-period=1s --bind-address=127.0.0.1 \
        --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" "${further[@]}"
    start scheduler nsenter --net="/run/netns/$control_plane_namespace" "$bin/kube-scheduler" \
        --kubeconfig="$pki/scheduler.conf" --leader-elect=false --bind-address=127.0.0.1
    await 60 "the service account default" kubectl --namespace default get serviceaccount default
}
