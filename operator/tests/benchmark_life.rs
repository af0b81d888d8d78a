//! The life of a benchmark that stands alone, or waits for the model of a training.
#![allow(clippy::unwrap_used)]

mod common;

use common::life::{exported, kinds, running};
use common::pods;
use common::row::{MEASURED, Row};
use serde_json::{Value, json};
use splade_crds::training::AttemptCause;
use splade_crds::{ConditionType, DisplayState};
use splade_operator::benchmark::ModelTraining;
use splade_operator::controller::Subject;
use splade_operator::effect::Effect;
use std::sync::Arc;

fn alone() -> Row {
    let mut world = Row::new(json!({}), ModelTraining::NotAsked);
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Running));
    world
}

fn of_training() -> Value {
    json!({"model": {"uri": null, "trainingRef": {"name": "tiny"}}})
}

#[test]
fn measures_and_tells_what_the_job_told() {
    let mut world = alone();
    world.cluster.finish("row-b1", 0, MEASURED);
    world.go();
    let status = world.status();
    assert_eq!(status.state, Some(DisplayState::Succeeded));
    assert!(world.holds(ConditionType::Succeeded) && world.holds(ConditionType::ResourcesReleased));
    assert_eq!(status.dataset.unwrap().queries, 592);
    assert_eq!(status.summary.unwrap().sparse.as_deref(), Some("62.2%"));
    assert_eq!(status.report_uri.as_deref(), Some("s3://reports/row"));
    assert_eq!(status.model_digest.as_deref(), Some("sha256:ab"));
    assert_eq!(status.model_uri.as_deref(), Some("s3://models/tiny"));
    assert!(status.start_time.is_some() && status.completion_time.is_some());
    assert_eq!(world.cluster.jobs.len(), 1, "the Job stays for its logs");
}

#[test]
fn all_conditions_are_there_at_first_sight() {
    let status = Row::new(json!({}), ModelTraining::NotAsked).plan().status;
    assert_eq!(
        kinds(&status.conditions),
        [
            "Succeeded",
            "Failed",
            "Progressing",
            "Scheduled",
            "ResourcesReleased"
        ]
    );
}

#[test]
fn waits_for_the_model_of_a_training_and_joins_its_trace() {
    let mut world = Row::new(of_training(), ModelTraining::Missing);
    world.go();
    assert_eq!(world.reason(ConditionType::Progressing), "TrainingMissing");
    world.model_of = ModelTraining::Found(Arc::new(running(json!({})).training.clone()));
    world.go();
    assert_eq!(world.reason(ConditionType::Progressing), "WaitingForModel");
    assert!(world.plan().requeue_after.is_none() && world.cluster.jobs.is_empty());
    let mut done = exported(json!({})).training.clone();
    let trace = "00-11111111111111111111111111111111-2222222222222222-01";
    done.status.as_mut().unwrap().attempts[0].traceparent = Some(trace.into());
    world.model_of = ModelTraining::Found(Arc::new(done));
    world.go();
    assert_eq!(
        world.status().attempt.unwrap().traceparent.as_deref(),
        Some(trace)
    );
    assert_eq!(
        world.status().model_uri.as_deref(),
        Some("s3://models/tiny")
    );
    // The root of that trace is the training's to send.
    assert!(!world.benchmark.begins_traces());
    // The training may go once it is known where the model lies.
    world.model_of = ModelTraining::Missing;
    world.cluster.finish("row-b1", 75, "");
    world.cluster.settle(true);
    world.go();
    world.cluster.advance(60);
    world.go();
    assert_eq!(world.status().attempt.unwrap().number, 2);
}

#[test]
fn fails_with_the_training_that_has_no_model() {
    let mut failed = running(json!({}));
    failed.finish("tiny-a1", 65, "");
    failed.reconcile();
    let mut world = Row::new(
        of_training(),
        ModelTraining::Found(Arc::new(failed.training.clone())),
    );
    world.go();
    assert_eq!(world.reason(ConditionType::Failed), "TrainingFailed");
    let mut bare = running(json!({"export": null, "benchmarks": null}));
    bare.finish("tiny-a1", 0, "");
    bare.go();
    let mut world = Row::new(
        of_training(),
        ModelTraining::Found(Arc::new(bare.training.clone())),
    );
    world.go();
    assert_eq!(world.reason(ConditionType::Failed), "NothingExported");
}

#[test]
fn budgets_are_small_and_kept_apart() {
    let run = |code: i32| {
        let mut world = alone();
        for number in 1..=20 {
            world.cluster.finish(&format!("row-b{number}"), code, "");
            world.cluster.settle(true);
            world.go();
            if world.holds(ConditionType::Failed) {
                return (world, number);
            }
            world.cluster.advance(3600);
            world.go();
        }
        panic!("never given up: {:?}", world.status())
    };
    for (code, attempts, cause) in [
        (75, 11, AttemptCause::Infrastructure),
        (70, 2, AttemptCause::Application),
        (65, 1, AttemptCause::Data),
        (78, 1, AttemptCause::Configuration),
    ] {
        let (world, number) = run(code);
        assert_eq!(number, attempts, "exit code {code}");
        let failure = world.status().last_failure.unwrap();
        assert_eq!((failure.cause, failure.exit_code), (cause, Some(code)));
        assert!(world.holds(ConditionType::ResourcesReleased));
    }
}

#[test]
fn a_result_that_is_lost_is_measured_again() {
    let mut world = alone();
    world.cluster.finish("row-b1", 0, "");
    world.go();
    world.cluster.advance(60);
    world.go();
    assert_eq!(world.status().attempt.unwrap().number, 2);
    assert!(!world.holds(ConditionType::Succeeded));
}

#[test]
fn a_pod_that_cannot_start_is_named_and_given_up() {
    let mut world = Row::new(json!({}), ModelTraining::NotAsked);
    world.reconcile();
    world.cluster.settle(false);
    pods::wait(
        world.cluster.pod("row-b1-0"),
        "node",
        "ImagePullBackOff",
        "not found",
    );
    world.reconcile();
    assert_eq!(world.reason(ConditionType::Progressing), "ImagePullBackOff");
    assert!(world.plan().requeue_after.is_some());
    world.cluster.advance(300);
    world.reconcile();
    assert_eq!(world.reason(ConditionType::Failed), "ImagePullBackOff");
    world.cluster.advance(10);
    world.go();
    assert!(world.holds(ConditionType::ResourcesReleased) && world.cluster.pods.is_empty());
}

#[test]
fn an_end_is_for_good() {
    let mut world = alone();
    world.cluster.finish("row-b1", 0, MEASURED);
    world.go();
    world.cluster.jobs.clear();
    world.cluster.pods.clear();
    let decision = world.plan();
    assert_eq!(decision.status, world.status());
    assert!(
        !decision
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Create(_)))
    );
}

#[test]
fn a_benchmark_that_is_deleted_is_left_alone() {
    let mut world = alone();
    let now = world.cluster.now;
    let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now);
    world.benchmark.metadata.deletion_timestamp = Some(time);
    world.cluster.finish("row-b1", 75, "");
    let decision = world.plan();
    assert_eq!(decision.status, world.status());
    assert!(decision.effects.is_empty());
}

#[test]
fn an_invalid_spec_is_shown_without_a_loop() {
    let volume = json!({"name": "x", "mountPath": "/etc/splade", "source": {"emptyDir": {}}});
    let mut world = Row::new(
        json!({"pod": {"volumes": [volume]}}),
        ModelTraining::NotAsked,
    );
    world.go();
    assert_eq!(world.reason(ConditionType::Progressing), "InvalidSpec");
    let decision = world.plan();
    assert!(decision.effects.is_empty() && decision.requeue_after.is_none());
}

#[test]
fn time_to_live_deletes_a_benchmark_that_has_ended() {
    for (code, message) in [(0, MEASURED), (65, "")] {
        let mut world = Row::new(
            json!({"ttlSecondsAfterFinished": 60}),
            ModelTraining::NotAsked,
        );
        world.go();
        world.cluster.advance(3600);
        world.go();
        assert!(!world.cluster.is_deleted, "it has not ended");
        world.cluster.finish("row-b1", code, message);
        world.go();
        assert_eq!(world.plan().requeue_after.unwrap().as_secs(), 60);
        world.cluster.advance(59);
        world.go();
        assert!(!world.cluster.is_deleted);
        world.cluster.advance(1);
        let decision = world.reconcile();
        let uid = "benchmark-uid".into();
        assert!(decision.effects.contains(&Effect::DeleteOwner { uid }));
    }
}

#[test]
fn a_benchmark_without_a_time_to_live_stays() {
    let mut world = alone();
    world.cluster.finish("row-b1", 0, MEASURED);
    world.go();
    world.cluster.advance(1_000_000);
    world.go();
    assert!(!world.cluster.is_deleted && world.plan().requeue_after.is_none());
}
