//! What rank 0 tells of a training.
#![allow(clippy::unwrap_used)]

mod common;

use common::life::running;
use common::world::World;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use splade_crds::ConditionType;
use splade_operator::training::Polled;

/// What rank 0 answers while it trains.
fn report(step: u64, reported: &str) -> Polled {
    let report = json!({
        "phase": "Training", "step": step, "totalSteps": 500, "loss": 1.5, "lastReported": reported,
        "estimatedCompletionTime": "2026-11-01T02:00:00Z",
    });
    Polled::Answered {
        attempt: 1,
        report: Box::new(serde_json::from_value(report).unwrap()),
    }
}

#[test]
fn the_operator_notices_a_step_that_does_not_move() {
    let mut world = running(json!({"runPolicy": {"stallTimeoutSeconds": 100}}));
    world.progress = report(10, "2026-11-01T00:00:01Z");
    world.go();
    let progress = world.status().progress.unwrap();
    assert_eq!(
        (progress.step, progress.loss.as_deref()),
        (10, Some("1.5000"))
    );
    world.advance(219);
    world.reconcile();
    assert_eq!(world.last_attempt().cause, None);
    world.advance(1);
    world.reconcile();
    assert_eq!(world.last_attempt().reason.as_deref(), Some("Stalled"));
}

#[test]
fn progress_is_written_at_most_every_ten_seconds() {
    let mut world = running(json!({}));
    let mut shown = Vec::new();
    for second in 1..=25 {
        world.advance(1);
        world.progress = report(second, &format!("2026-11-01T00:00:{second:02}Z"));
        world.reconcile();
        shown.push(world.status().progress.unwrap().step);
    }
    shown.dedup();
    assert_eq!(shown, [1, 11, 21]);
}

#[test]
fn an_old_report_says_nothing_about_a_new_attempt() {
    let mut world = running(
        json!({"runPolicy": {"stallTimeoutSeconds": 10, "backoff": {"initialSeconds": 0, "maxSeconds": 0}}}),
    );
    world.progress = report(5, "2026-11-01T00:00:01Z");
    world.go();
    world.finish("tiny-a1", 75, "");
    world.settle(true);
    world.go();
    world.advance(10_000);
    world.reconcile();
    assert_eq!(world.status().attempt, Some(2));
    assert_eq!(world.last_attempt().cause, None);
}

/// The status of a training of which rank 0 last reported this step before it ended with this code and message.
fn ended(reported: Option<u64>, code: i32, message: &str) -> World {
    let mut world = running(json!({"export": null, "benchmarks": null}));
    if let Some(step) = reported {
        world.progress = report(step, "2026-11-01T00:00:01Z");
        world.go();
        let progress = world.status().progress.unwrap();
        assert_eq!(progress.step, step);
        assert!(progress.estimated_completion_time.is_some());
    }
    world.advance(40);
    world.finish("tiny-a1", code, message);
    world.settle(true);
    world.reconcile();
    world
}

const INTERRUPTED: &str = r#"{"outcome":"Interrupted","exitCode":75,"step":480,"totalSteps":500}"#;

#[test]
fn a_training_that_is_done_shows_all_its_steps_and_no_time_of_its_end() {
    let done = r#"{"outcome":"Succeeded","exitCode":0,"step":500,"totalSteps":500}"#;
    let world = ended(Some(490), 0, done);
    assert!(world.holds(ConditionType::Succeeded));
    let progress = world.status().progress.unwrap();
    assert_eq!((progress.step, progress.total_steps), (500, 500));
    assert_eq!(progress.loss.as_deref(), Some("1.5000"), "the last known");
    assert_eq!(progress.estimated_completion_time, None);
    assert_eq!(progress.last_reported.0, world.now);
}

#[test]
fn a_training_too_short_to_be_asked_shows_its_steps() {
    let done = r#"{"outcome":"Succeeded","exitCode":0,"step":170,"totalSteps":170}"#;
    let progress = ended(None, 0, done).status().progress.unwrap();
    assert_eq!((progress.attempt, progress.epoch), (1, None));
    assert_eq!((progress.step, progress.total_steps), (170, 170));
}

#[test]
fn an_interrupted_attempt_shows_how_far_it_came() {
    for (reported, shown) in [(None, 480), (Some(470), 480), (Some(485), 485)] {
        let world = ended(reported, 75, INTERRUPTED);
        assert_eq!(world.last_attempt().reason.as_deref(), Some("Interrupted"));
        let progress = world.status().progress.unwrap();
        assert_eq!((progress.step, progress.total_steps), (shown, 500));
        assert_eq!(progress.estimated_completion_time, None);
    }
}

#[test]
fn an_attempt_that_did_not_come_as_far_as_the_one_before_changes_nothing() {
    let mut world = ended(Some(470), 75, INTERRUPTED);
    world.go();
    world.advance(60);
    world.go();
    assert_eq!(world.status().attempt, Some(2));
    let early = r#"{"outcome":"Interrupted","exitCode":75,"step":400,"totalSteps":500}"#;
    world.finish("tiny-a2", 75, early);
    world.settle(true);
    world.reconcile();
    let progress = world.status().progress.unwrap();
    assert_eq!((progress.attempt, progress.step), (1, 480));
}

/// A training that is done, as it shows before news of its pods come; and those pods.
fn done_unseen() -> (World, Vec<Pod>) {
    let mut world = running(json!({"export": null, "benchmarks": null}));
    world.progress = report(490, "2026-11-01T00:00:01Z");
    world.go();
    let running = world.pods.clone();
    let done = r#"{"outcome":"Succeeded","exitCode":0,"step":500,"totalSteps":500}"#;
    world.finish("tiny-a1", 0, done);
    world.settle(true);
    let ended = std::mem::replace(&mut world.pods, running);
    world.reconcile();
    (world, ended)
}

#[test]
fn news_of_the_pods_that_come_after_news_of_the_job_are_waited_for() {
    let (mut world, ended) = done_unseen();
    assert!(!world.holds(ConditionType::Succeeded));
    world.pods = ended;
    world.reconcile();
    assert!(world.holds(ConditionType::Succeeded));
    assert_eq!(world.status().progress.unwrap().step, 500);
}

#[test]
fn they_are_not_waited_for_long_and_noted_when_they_come() {
    let (mut world, ended) = done_unseen();
    world.advance(10);
    world.reconcile();
    assert!(world.holds(ConditionType::Succeeded));
    assert_eq!(world.status().progress.unwrap().step, 490);
    world.pods = ended;
    world.reconcile();
    assert_eq!(world.status().progress.unwrap().step, 500);
}
