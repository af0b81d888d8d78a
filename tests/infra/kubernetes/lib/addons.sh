# kwok, whose nodes and pods are objects alone, and Kueue, which real pods run.

all_ready() { # label, count
    [ "$(kubectl get nodes --selector "$1" --no-headers | grep -cw Ready)" = "$2" ]
}

fake_nodes() { # count
    local folder=$programs/kwok stage
    kubectl apply --server-side --filename "$folder/crd/bases/kwok.x-k8s.io_stages.yaml" >/dev/null
    kubectl wait --for=condition=Established crd/stages.kwok.x-k8s.io --timeout=30s >/dev/null
    for stage in node/fast/node-initialize node/heartbeat-with-lease/node-heartbeat-with-lease \
        pod/general/pod-{create,init-container-running,init-container-completed,ready,complete,delete}; do
        kubectl apply --server-side --filename "$folder/stage/$stage.yaml" >/dev/null
    done
    start kwok nsenter --net="/run/netns/$control_plane_namespace" "$bin/kwok" --kubeconfig="$inside" \
        --manage-all-nodes=false --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake --enable-crds=Stage \
        --node-lease-duration-seconds=20 --server-address=127.0.0.1:10247
    fake_node_objects "$1" | kubectl apply --server-side --filename - >/dev/null
    await 120 "Ready of $1 fake nodes" all_ready type=kwok "$1"
    say "$1 fake nodes: label type=kwok, taint kwok.x-k8s.io/node=fake:NoSchedule"
}

fake_node_objects() { # count
    local number
    for ((number = 0; number < $1; number++)); do
        cat <<EOF
---
apiVersion: v1
kind: Node
metadata:
  name: fake-$number
  annotations: {kwok.x-k8s.io/node: fake, node.alpha.kubernetes.io/ttl: "0"}
  labels: {type: kwok, kubernetes.io/hostname: fake-$number, kubernetes.io/os: linux, kubernetes.io/arch: amd64}
spec:
  taints: [{key: kwok.x-k8s.io/node, value: fake, effect: NoSchedule}]
status:
  allocatable: {cpu: "64", memory: 512Gi, pods: "110", nvidia.com/gpu: "8"}
  capacity: {cpu: "64", memory: 512Gi, pods: "110", nvidia.com/gpu: "8"}
EOF
    done
}

helm() { in_control_plane "$bin/helm" --kubeconfig="$inside" "$@"; }

queue_controller() {
    local node image=controllerManager.manager.image
    "$infra/build.sh" kueue
    build_image kueue $'FROM scratch\nCOPY kueue /manager\nUSER 65532:65532\nENTRYPOINT ["/manager"]' "$bin"
    for node in "${nodes[@]}"; do
        import_image "$node" kueue
    done
    # Its webhooks refuse every Job until it runs, so nothing else may be made before helm returns.
    helm upgrade --install kueue "$programs/charts/kueue" --namespace kueue-system --create-namespace \
        --set "$image.repository=localhost/kueue,$image.tag=1,$image.pullPolicy=Never" --wait --timeout 300s \
        >>"$run/log/helm.log" 2>&1 || fail "Kueue did not come: $run/log/helm.log"
    say "Kueue runs in kueue-system"
}
