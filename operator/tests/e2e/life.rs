//! Trainings that follow one another, and their end.

use crate::team::{Team, poll};
use serde_json::json;
use splade_crds::SpladeTraining;

#[tokio::test]
async fn one_training_starts_from_another() {
    let team = Team::new("chain").await;
    team.train(
        "second",
        json!({"initFrom": {"trainingRef": {"name": "first"}}}),
    );
    team.until("second", "it waits for the first", |status| {
        status.attempt.is_none() && !status.conditions.is_empty()
    })
    .await;
    team.train("first", json!({}));
    let first = team.succeeded("first").await;
    let second = team.succeeded("second").await;
    let model = first.model.expect("the first is exported");
    assert_eq!(second.initial_weights.as_deref(), Some(model.uri.as_str()));
    assert_ne!(
        second.model.expect("the second is exported").digest,
        model.digest
    );
    team.assert_tidy().await;
    team.kubectl(&["delete", "spladetrainings", "--all"]);
    team.nothing_left().await;
}

#[tokio::test]
async fn a_training_goes_when_its_time_has_come() {
    let team = Team::new("ttl").await;
    team.train(
        "tiny",
        json!({"runPolicy": {"ttlSecondsAfterFinished": 20}}),
    );
    team.succeeded("tiny").await;
    team.assert_tidy().await;
    poll("the training is gone", async || {
        let found = team.api::<SpladeTraining>().get_opt("tiny").await.ok()?;
        found.is_none().then_some(())
    })
    .await;
    team.nothing_left().await;
    let model = format!("e2e/{}/tiny/model/model.safetensors", team.prefix);
    assert!(crate::cluster::object(&model).is_some(), "models stay");
}
