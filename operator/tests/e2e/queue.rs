//! Trainings under Kueue: they wait for quota, give it back when they are evicted, and go on in the same attempt.

use crate::cluster::{must, run};
use crate::interruptions::{budgets, undisturbed};
use crate::recipe::{Recipe, merge};
use crate::team::{Team, is, says};
use serde_json::json;

/// Devices for one tiny training at a time.
const QUEUES: &str = r#"
apiVersion: kueue.x-k8s.io/v1beta2
kind: ResourceFlavor
metadata: {name: e2e}
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {name: e2e}
spec:
  namespaceSelector: {}
  resourceGroups:
  - coveredResources: [cpu, memory, nvidia.com/gpu]
    flavors:
    - name: e2e
      resources:
      - {name: cpu, nominalQuota: 8}
      - {name: memory, nominalQuota: 64Gi}
      - {name: nvidia.com/gpu, nominalQuota: 2}
"#;
const QUEUE_OF_A_TEAM: &str = r#"
apiVersion: kueue.x-k8s.io/v1beta2
kind: LocalQueue
metadata: {name: research}
spec: {clusterQueue: e2e}
"#;

async fn team(name: &str) -> Team {
    must("tests/infra/kubernetes/up.sh", &["cluster", "kueue"]);
    run("kubectl", &["apply", "--filename", "-"], QUEUES).unwrap();
    hold(false);
    let team = Team::new(name).await;
    team.apply(QUEUE_OF_A_TEAM).unwrap();
    team
}

/// Lets Kueue take back the quota of all that runs, or give it again.
fn hold(hold: bool) {
    let policy = if hold { "HoldAndDrain" } else { "None" };
    let patch = json!({"spec": {"stopPolicy": policy}}).to_string();
    must(
        "kubectl",
        &[
            "patch",
            "clusterqueue",
            "e2e",
            "--type",
            "merge",
            "--patch",
            &patch,
        ],
    );
}

/// The recipe in the team's queue.
fn train(team: &Team, name: &str) {
    let mut changes = json!({"gang": {"scheduler": {"type": "Kueue", "queueName": "research"}}});
    merge(&mut changes, Recipe::OneNode.changes());
    team.train(name, changes);
}

#[tokio::test]
async fn two_trainings_take_turns() {
    let team = team("turns").await;
    train(&team, "first");
    team.trained("first", 1, 1).await;
    train(&team, "second");
    let waits = team
        .until("second", "it waits", |status| {
            says(status, "Scheduled").0 == "Queued"
        })
        .await;
    assert!(!is(&waits, "Scheduled"));
    assert!(
        team.pods_of("second", 1).await.is_empty(),
        "a training without quota has no pods"
    );
    for name in ["first", "second"] {
        let end = team.succeeded(name).await;
        assert_eq!(budgets(&end), (Some(1), 0, 0));
    }
    team.assert_tidy().await;
    team.kubectl(&["delete", "spladetrainings", "--all"]);
    team.nothing_left().await;
}

#[tokio::test]
async fn an_evicted_training_goes_on_when_it_is_admitted_again() {
    undisturbed(Recipe::OneNode).await;
    let team = team("evicted").await;
    train(&team, "tiny");
    team.trained("tiny", 1, 60).await;
    hold(true);
    team.until("tiny", "it waits for quota", |status| {
        says(status, "Progressing").0 == "Preempted"
    })
    .await;
    hold(false);
    let end = team.succeeded("tiny").await;
    assert_eq!(budgets(&end), (Some(1), 0, 0), "an eviction is no failure");
    let attempt = &end.attempts[0];
    assert_eq!(attempt.preemptions, 1);
    assert!(
        attempt.resumed_from.is_some(),
        "it has continued: {attempt:#?}"
    );
    let same = team.weights("tiny").await == undisturbed(Recipe::OneNode).await;
    assert!(same, "the weights differ from the undisturbed run's");
    team.assert_tidy().await;
    team.delete("tiny").await;
}
