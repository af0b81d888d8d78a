//! The chart, upgraded and uninstalled under a training that runs.

use crate::cluster::{must, setting};
use crate::interruptions::budgets;
use crate::operator::{NAMESPACE, ready};
use crate::team::Team;
use serde_json::json;

/// Installs or upgrades the release as `make test-e2e` does, with one more setting.
fn install(setting_of_test: &str) {
    let values = setting("SPLADE_E2E_VALUES");
    let chart = "charts/splade-operator";
    let arguments = [
        "upgrade",
        "--install",
        "splade-operator",
        chart,
        "--namespace",
        NAMESPACE,
    ];
    let values = [
        "--values",
        &values,
        "--set",
        setting_of_test,
        "--wait",
        "--timeout",
        "120s",
    ];
    must("helm", &[&arguments[..], &values[..]].concat());
}

#[tokio::test]
async fn an_upgrade_and_an_uninstall_leave_a_training_alone() {
    let team = Team::new("chart").await;
    team.train("tiny", json!({}));
    team.trained("tiny", 1, 30).await;
    let pod = team.pod_of("tiny", 1).await.metadata.uid;

    install("logLevel=debug");
    must(
        "helm",
        &[
            "uninstall",
            "splade-operator",
            "--namespace",
            NAMESPACE,
            "--wait",
        ],
    );
    let kept = team.kubectl(&["get", "spladetraining", "tiny", "--output", "name"]);
    assert_eq!(kept.trim(), "spladetraining.neuralsparse.dev/tiny");
    install("logLevel=info");
    ready().await;
    must(
        "helm",
        &["test", "splade-operator", "--namespace", NAMESPACE],
    );

    let end = team.succeeded("tiny").await;
    assert_eq!(budgets(&end), (Some(1), 0, 0));
    assert_eq!(
        team.pod_of("tiny", 1).await.metadata.uid,
        pod,
        "the pod is the one of before"
    );
    team.assert_tidy().await;
    team.delete("tiny").await;
}
