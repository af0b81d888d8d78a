//! The life of a training that meets no fault, as `kubectl` would show it.
#![allow(clippy::unwrap_used)]

mod common;

use common::life::{DONE, end_benchmarks, exported, kinds, running};
use common::manifest::training;
use common::world::World;
use serde_json::json;
use splade_crds::training::AttemptCause;
use splade_crds::{ConditionType, DisplayState};

#[test]
fn all_conditions_are_there_at_first_sight() {
    let world = World::new(training(json!({})));
    let status = world.plan().status;
    assert_eq!(
        kinds(&status.conditions),
        [
            "Succeeded",
            "Failed",
            "Suspended",
            "Progressing",
            "Scheduled",
            "CheckpointAvailable",
            "Exported",
            "Benchmarked",
            "ResourcesReleased"
        ]
    );
    assert!(
        status
            .conditions
            .iter()
            .all(|one| one.observed_generation == Some(1))
    );
    let unknown = ["Succeeded", "Failed", "Exported", "Benchmarked"];
    for one in status
        .conditions
        .iter()
        .filter(|one| unknown.contains(&one.type_.as_str()))
    {
        assert_eq!(one.status, "Unknown", "{}", one.type_);
    }
}

#[test]
fn trains_exports_benchmarks_and_succeeds() {
    let mut world = exported(json!({}));
    assert_eq!(world.status().state, Some(DisplayState::Benchmarking));
    assert_eq!(world.status().model.unwrap().digest, "sha256:ab");
    assert_eq!(world.status().checkpoint.unwrap().step, 500);
    assert!(world.holds(ConditionType::Exported));
    assert_eq!(
        world.benchmarks[0].metadata.name.as_deref(),
        Some("tiny-strategy")
    );
    assert!(!world.holds(ConditionType::Succeeded));
    end_benchmarks(&mut world, ConditionType::Succeeded);
    world.go();
    let status = world.status();
    assert_eq!(status.state, Some(DisplayState::Succeeded));
    assert_eq!(
        status.benchmarks[0]
            .summary
            .as_ref()
            .unwrap()
            .sparse
            .as_deref(),
        Some("62.2%")
    );
    assert!(status.completion_time.is_some());
    for kind in [
        ConditionType::Succeeded,
        ConditionType::Benchmarked,
        ConditionType::ResourcesReleased,
    ] {
        assert!(world.holds(kind), "{kind:?}");
    }
    assert_eq!(world.condition(ConditionType::Failed).status, "False");
    assert_eq!(world.jobs.len(), 2, "the Jobs stay for their logs");
    assert_eq!(
        world.notices,
        [
            "AttemptStarted",
            "Trained",
            "ExportStarted",
            "Exported",
            "Succeeded"
        ]
    );
}

#[test]
fn a_failed_benchmark_takes_nothing_from_the_model() {
    let mut world = exported(json!({}));
    end_benchmarks(&mut world, ConditionType::Failed);
    world.go();
    assert!(world.holds(ConditionType::Succeeded));
    let benchmarked = world.condition(ConditionType::Benchmarked);
    assert_eq!(
        (benchmarked.status.as_str(), benchmarked.reason.as_str()),
        ("False", "BenchmarkFailed")
    );
    assert!(benchmarked.message.contains("strategy"));
    assert_eq!(world.status().benchmarks[0].succeeded, Some(false));
}

#[test]
fn without_export_the_checkpoints_are_the_result() {
    let mut world = running(json!({"export": null, "benchmarks": null}));
    world.finish("tiny-a1", 0, DONE);
    world.go();
    assert!(world.holds(ConditionType::Succeeded));
    assert_eq!(world.condition(ConditionType::Exported).reason, "NotAsked");
}

#[test]
fn suspension_ends_the_attempt_and_costs_nothing() {
    let mut world = running(json!({}));
    world.training.spec.run_policy.suspend = true;
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Suspended));
    assert!(world.holds(ConditionType::Suspended) && world.holds(ConditionType::ResourcesReleased));
    assert_eq!(world.last_attempt().cause, Some(AttemptCause::Suspended));
    assert!(world.jobs.is_empty() && world.pods.is_empty() && world.others.is_empty());
    assert!(
        world.plan().requeue_after.is_none(),
        "nothing to do until somebody resumes it"
    );
    world.training.spec.run_policy.suspend = false;
    world.go();
    let status = world.status();
    assert_eq!(
        (status.attempt, status.state),
        (Some(2), Some(DisplayState::Running))
    );
    assert_eq!(
        (status.restarts.application, status.restarts.infrastructure),
        (0, 0)
    );
    assert!(!world.holds(ConditionType::Suspended));
}

#[test]
fn a_suspended_training_does_not_begin() {
    let mut world = World::new(training(json!({"runPolicy": {"suspend": true}})));
    world.go();
    assert_eq!(world.status().attempt, None);
    assert_eq!(world.status().state, Some(DisplayState::Suspended));
}

#[test]
fn the_deadline_stands_still_in_suspension() {
    let mut world = running(json!({"runPolicy": {"activeDeadlineSeconds": 100}}));
    world.advance(60);
    world.training.spec.run_policy.suspend = true;
    world.go();
    world.advance(10_000);
    world.go();
    assert!(!world.holds(ConditionType::Failed));
    world.training.spec.run_policy.suspend = false;
    world.go();
    world.advance(39);
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Running));
    world.advance(1);
    world.reconcile();
    assert_eq!(
        world.condition(ConditionType::Failed).reason,
        "DeadlineExceeded"
    );
    assert_eq!(world.last_attempt().cause, Some(AttemptCause::Deadline));
    world.advance(10);
    world.go();
    world.go();
    assert!(world.holds(ConditionType::ResourcesReleased) && world.pods.is_empty());
}

#[test]
fn success_beats_the_deadline_and_suspension() {
    let mut world = running(json!({"runPolicy": {"activeDeadlineSeconds": 100}}));
    world.advance(5000);
    world.training.spec.run_policy.suspend = true;
    world.finish("tiny-a1", 0, DONE);
    world.reconcile();
    assert_eq!(world.last_attempt().cause, Some(AttemptCause::Completed));
    assert!(!world.holds(ConditionType::Failed));
}

#[test]
fn time_to_live_deletes_the_training() {
    let mut world = running(
        json!({"export": null, "benchmarks": null, "runPolicy": {"ttlSecondsAfterFinished": 60}}),
    );
    world.finish("tiny-a1", 0, DONE);
    world.go();
    assert_eq!(world.plan().requeue_after.unwrap().as_secs(), 60);
    world.advance(59);
    world.go();
    assert!(!world.is_deleted);
    world.advance(1);
    world.reconcile();
    assert!(world.is_deleted);
}

#[test]
fn a_training_that_is_deleted_is_left_alone() {
    let mut world = running(json!({}));
    let now = world.now;
    world.training.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    world.finish("tiny-a1", 75, "");
    let before = world.status();
    let decision = world.plan();
    assert_eq!(decision.status, before);
    assert!(decision.effects.is_empty() && decision.requeue_after.is_none());
}

#[test]
fn an_export_is_tried_again_and_then_given_up() {
    let mut world =
        running(json!({"runPolicy": {"backoff": {"initialSeconds": 0, "maxSeconds": 0}}}));
    world.finish("tiny-a1", 0, DONE);
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Exporting));
    for number in 1..=3 {
        world.finish(&format!("tiny-export-{number}"), 70, "");
        world.settle(true);
        world.go();
    }
    assert_eq!(
        world.condition(ConditionType::Failed).reason,
        "ExportFailed"
    );
    assert_eq!(world.condition(ConditionType::Exported).status, "False");
    assert_eq!(
        world.status().restarts.application,
        0,
        "the training's own budget is untouched"
    );
    assert_eq!(world.status().checkpoint.unwrap().step, 500);
}

#[test]
fn an_export_whose_result_is_lost_is_done_again() {
    let mut world =
        running(json!({"runPolicy": {"backoff": {"initialSeconds": 0, "maxSeconds": 0}}}));
    world.finish("tiny-a1", 0, DONE);
    world.go();
    world.finish("tiny-export-1", 0, "");
    world.go();
    assert_eq!(world.status().export.unwrap().attempt.number, 2);
}

#[test]
fn times_of_transition_change_only_with_the_status() {
    let mut world = running(json!({}));
    let before = world.condition(ConditionType::Scheduled);
    world.advance(500);
    world.go();
    assert_eq!(world.condition(ConditionType::Scheduled), before);
}
