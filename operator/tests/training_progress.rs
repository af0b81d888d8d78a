//! What rank 0 tells of a training.
#![allow(clippy::unwrap_used)]

mod common;

use common::life::running;
use serde_json::json;
use splade_operator::training::Polled;

/// What rank 0 answers while it trains.
fn report(step: u64, reported: &str) -> Polled {
    let report = json!({
        "phase": "Training", "step": step, "totalSteps": 500, "loss": 1.5, "lastReported": reported,
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
