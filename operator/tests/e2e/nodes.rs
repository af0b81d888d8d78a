//! Gangs on two nodes, and nodes that go and come back.

use crate::cluster::{Restored, node};
use crate::interruptions::{UnderWay, budgets, undisturbed};
use crate::recipe::Recipe;
use crate::team::{Team, poll};
use serde_json::json;

#[tokio::test]
async fn two_nodes_make_one_training() {
    let team = Team::new("two-nodes").await;
    team.train("tiny", Recipe::TwoNodes.changes());
    team.trained("tiny", 1, 10).await;
    let pods = team.pods_of("tiny", 1).await;
    let mut on: Vec<_> = pods
        .iter()
        .filter_map(|pod| pod.spec.as_ref()?.node_name.clone())
        .collect();
    on.sort();
    assert_eq!(on, ["n1", "n2"]);
    let end = team.succeeded("tiny").await;
    assert_eq!(budgets(&end), (Some(1), 0, 0));
    let same = team.weights("tiny").await == undisturbed(Recipe::TwoNodes).await;
    assert!(same, "a second run has the weights of the first");
    team.assert_tidy().await;
    team.delete("tiny").await;
}

#[tokio::test]
async fn a_node_that_is_lost_and_comes_back() {
    let run = UnderWay::new("node", Recipe::TwoNodes, json!({})).await;
    let team = &run.team;
    let lost = Restored("n2");
    node("cut", lost.0);
    team.until("tiny", "the attempt has ended", |status| {
        let first = status.attempts.first();
        first.is_some_and(|attempt| attempt.end_time.is_some())
    })
    .await;
    poll("Kubernetes gives the node up", async || {
        let pods = team.pods_of("tiny", 1).await;
        let mut leaving = pods
            .iter()
            .map(|pod| pod.metadata.deletion_timestamp.is_some());
        leaving.any(|leaves| leaves).then_some(())
    })
    .await;
    // Nobody can ask that node whether its rank has ended: no other attempt may begin.
    assert_eq!(team.status("tiny").await.attempt, Some(1));
    drop(lost);
    // Which side of the link is heard first decides: the other node's launcher, or the node's own silence.
    run.continues(&["NodeLost", "InfrastructureFailed", "Stalled"], 1)
        .await;
}

#[tokio::test]
async fn a_node_without_power() {
    let run = UnderWay::new("power", Recipe::TwoNodes, json!({})).await;
    let dead = Restored("n2");
    node("kill", dead.0);
    run.team
        .until("tiny", "the attempt has ended", |status| {
            let first = status.attempts.first();
            first.is_some_and(|attempt| attempt.end_time.is_some())
        })
        .await;
    drop(dead);
    run.continues(&["NodeLost", "InfrastructureFailed", "Stalled"], 1)
        .await;
}
