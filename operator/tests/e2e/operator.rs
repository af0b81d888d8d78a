//! The installed operator.

use crate::cluster::{client, must};
use crate::processes::kill_operator;
use crate::team::poll;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

/// Where `make test-e2e` installs the chart, and the release.
pub const NAMESPACE: &str = "splade-system";

/// The operator's pods.
pub async fn pods() -> Vec<Pod> {
    let api: Api<Pod> = Api::namespaced(client().await, NAMESPACE);
    let labels = ListParams::default().labels("app.kubernetes.io/name=splade-operator");
    api.list(&labels).await.unwrap().items
}

/// Kills every operator, without a word, and lets others be started at once; gives how many died.
pub async fn kill() -> usize {
    let mut killed = 0;
    for pod in pods().await {
        killed += usize::from(kill_operator(&pod.uid().unwrap()));
        // A container that is killed again and again waits minutes for its restart; a new pod does not.
        must(
            "kubectl",
            &[
                "--namespace",
                NAMESPACE,
                "delete",
                "pod",
                &pod.name_any(),
                "--wait=false",
                "--grace-period=1",
                // It may have gone since the list was made.
                "--ignore-not-found",
            ],
        );
    }
    killed
}

/// Waits until all replicas are there and ready.
pub async fn ready() {
    poll("the operator is ready", async || {
        let arguments = [
            "--namespace",
            NAMESPACE,
            "rollout",
            "status",
            "deployment/splade-operator",
            "--timeout=5s",
        ];
        crate::cluster::run("kubectl", &arguments, "").ok()
    })
    .await;
}
