//! Trainings that cannot succeed: they end, say why, and leave nothing behind.

use crate::interruptions::budgets;
use crate::recipe;
use crate::team::{Team, says};
use serde_json::json;
use splade_crds::training::AttemptCause;

#[tokio::test]
async fn one_that_fits_on_no_node() {
    let team = Team::new("large").await;
    let changes = json!({
        "gang": {"resources": {"limits": {"nvidia.com/gpu": 9}}},
        "runPolicy": {"startupDeadlineSeconds": 3, "infrastructureRestarts": 1},
    });
    team.train("tiny", changes);
    let end = team.failed("tiny").await;
    let failure = end.last_failure.as_ref().expect("the failure is told");
    assert_eq!(failure.reason, "Unschedulable");
    assert!(
        failure.message.contains("nvidia.com/gpu"),
        "{}",
        failure.message
    );
    assert_eq!(budgets(&end), (Some(2), 0, 1));
    team.assert_tidy().await;
    team.delete("tiny").await;
}

#[tokio::test]
async fn one_whose_deadline_passes() {
    let team = Team::new("deadline").await;
    team.train(
        "tiny",
        json!({"optimizer": {"maxSteps": 100_000}, "runPolicy": {"activeDeadlineSeconds": 15}}),
    );
    let end = team.failed("tiny").await;
    assert_eq!(says(&end, "Failed").0, "DeadlineExceeded");
    assert_eq!(end.attempts[0].cause, Some(AttemptCause::Deadline));
    assert_eq!(budgets(&end), (Some(1), 0, 0));
    team.assert_tidy().await;
    team.delete("tiny").await;
}

#[tokio::test]
async fn one_whose_data_is_not_there() {
    let team = Team::new("data").await;
    team.train(
        "tiny",
        json!({"data": {"train": ["s3://splade/e2e/no-such.jsonl"]}}),
    );
    let end = team.failed("tiny").await;
    assert_eq!(end.attempts[0].cause, Some(AttemptCause::Data), "{end:#?}");
    let failure = end.last_failure.as_ref().expect("the failure is told");
    assert!(matches!(failure.exit_code, Some(65 | 66)), "{failure:#?}");
    assert!(
        failure.message.contains("s3://splade/e2e/no-such.jsonl"),
        "{}",
        failure.message
    );
    assert!(!failure.pod_name.as_deref().unwrap_or_default().is_empty());
    assert!(!failure.node.as_deref().unwrap_or_default().is_empty());
    assert_eq!(
        end.restarts.application, 0,
        "what cannot get better is not tried again"
    );
    assert!(team.events("tiny").contains("Failed"));
    team.assert_tidy().await;
    team.delete("tiny").await;
}

#[tokio::test]
async fn one_without_the_secret_it_names() {
    let team = Team::new("secret").await;
    team.kubectl(&["delete", "secret", "splade-storage"]);
    team.train("tiny", json!({}));
    let held = team
        .until("tiny", "the Secret is missing", |status| {
            says(status, "Progressing").0.contains("Config")
        })
        .await;
    assert!(
        says(&held, "Progressing").1.contains("splade-storage"),
        "{:#?}",
        says(&held, "Progressing")
    );
    team.delete("tiny").await;
}

#[tokio::test]
async fn manifests_that_break_a_rule_are_refused_with_the_rule() {
    let team = Team::new("rules").await;
    let broken = [
        (json!({"optimizer": {"epochs": 3}}), "epochs"),
        (json!({"loss": {"temperature": "0.0"}}), "temperature"),
        (json!({"checkpoint": {"everySteps": null}}), "every"),
        (json!({"gang": {"nodes": 0}}), "spec.gang.nodes"),
        (json!({"gang": {"image": "x", "imagee": "y"}}), "imagee"),
        (
            json!({"runPolicy": {"backoff": {"initialSeconds": 9, "maxSeconds": 4}}}),
            "initialSeconds",
        ),
        (json!({"optimizer": {"precision": "FP8"}}), "precision"),
    ];
    for (changes, named) in broken {
        let manifest = recipe::training(&team.prefix, "tiny", changes.clone());
        let refused = team
            .apply(&manifest.to_string())
            .expect_err(&changes.to_string());
        assert!(refused.contains(named), "{changes}: {refused}");
    }
    assert_eq!(
        team.kubectl(&["get", "spladetrainings", "--output", "name"]),
        ""
    );
}

#[tokio::test]
async fn what_only_the_operator_can_refuse_is_said_in_a_condition() {
    let team = Team::new("later").await;
    team.train(
        "tiny",
        json!({"initFrom": {"trainingRef": {"name": "nobody"}}}),
    );
    let held = team
        .until("tiny", "it waits", |status| {
            says(status, "Progressing").0 == "InitFromMissing"
        })
        .await;
    assert!(says(&held, "Progressing").1.contains("nobody"));
    team.delete("tiny").await;
}
