//! A queue that takes the pods of a training back, and lets them go again, as Kueue does: it sets `suspend` of the Job,
//! Kubernetes deletes the pods, and the Job waits for its turn.
#![allow(clippy::unwrap_used)]

mod common;

use common::life::DONE;
use common::manifest::training;
use common::pods;
use common::world::World;
use k8s_openapi::api::batch::v1::JobCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use splade_crds::training::AttemptCause;
use splade_crds::{ConditionType, DisplayState};
use splade_operator::effect::{Decision, Effect};
use std::time::Duration;

/// A training that its queue has let go, and whose pods run.
fn admitted(run_policy: Value) -> World {
    let mut world = World::new(training(json!({
        "gang": {"scheduler": {"type": "Kueue", "queueName": "q"}},
        "export": null, "benchmarks": null, "runPolicy": run_policy,
    })));
    world.offers.kueue = true;
    world.go();
    suspend(&mut world, false);
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Running));
    world
}

fn suspend(world: &mut World, suspend: bool) {
    world.jobs[0].spec.as_mut().unwrap().suspend = Some(suspend);
}

/// What a plan wants done, Events apart.
fn acts<S>(decision: &Decision<S>) -> Vec<&Effect> {
    let effects = decision.effects.iter();
    effects
        .filter(|effect| !matches!(effect, Effect::Publish(_)))
        .collect()
}

#[test]
fn a_preempted_attempt_waits_in_its_job_and_goes_on() {
    let mut world = admitted(json!({}));
    let job = world.jobs[0].metadata.uid.clone();
    suspend(&mut world, true);
    assert_eq!(acts(&world.reconcile()).len(), 0);
    assert_eq!(world.status().state, Some(DisplayState::Running), "so far");

    // The pods save; the operator sees them leave.
    world.lost = ["tiny-a1-0", "tiny-a1-1"].map(Into::into).into();
    world.settle(true);
    assert_eq!(acts(&world.reconcile()).len(), 0);
    let status = world.status();
    assert_eq!(status.state, Some(DisplayState::Pending));
    assert_eq!(
        world.condition(ConditionType::Scheduled).reason,
        "Preempted"
    );
    assert_eq!(world.notices.last(), Some(&"Preempted"));
    let told = world.notices.len();

    // They are gone, and the Job waits in the queue.
    let message = r#"{"outcome":"Interrupted","exitCode":75,"step":480,"totalSteps":500,
        "checkpoint":"s3://runs/tiny/attempt-0001/step-00000480"}"#;
    world.finish("tiny-a1", 75, message);
    assert_eq!(acts(&world.reconcile()).len(), 0);
    world.lost.clear();
    world.go();
    assert!(world.pods.is_empty());
    let status = world.status();
    assert_eq!(status.checkpoint.unwrap().step, 480);
    assert_eq!(status.progress.unwrap().step, 480);
    assert_eq!(world.notices.len(), told, "told once");

    // The queue lets it go again.
    world.advance(7200);
    suspend(&mut world, false);
    world.go();
    let (status, attempt) = (world.status(), world.last_attempt());
    assert_eq!(status.state, Some(DisplayState::Running));
    assert_eq!((status.attempt, attempt.preemptions), (Some(1), 1));
    assert_eq!(attempt.running_time.unwrap().0, world.now);
    assert_eq!(attempt.cause, None);
    assert_eq!(
        (status.restarts.application, status.restarts.infrastructure),
        (0, 0)
    );
    assert_eq!(world.jobs[0].metadata.uid, job, "it keeps its place");
    world.finish("tiny-a1", 0, DONE);
    world.go();
    assert!(world.holds(ConditionType::Succeeded));
}

#[test]
fn no_number_of_preemptions_ends_a_training() {
    let mut world = admitted(json!({"infrastructureRestarts": 0, "maxRestarts": 0}));
    for times in 1..=100 {
        world.advance(600);
        suspend(&mut world, true);
        world.go();
        suspend(&mut world, false);
        world.go();
        assert_eq!(world.status().state, Some(DisplayState::Running));
        assert_eq!(world.last_attempt().preemptions, times);
    }
}

#[test]
fn pods_that_still_leave_when_the_queue_lets_the_job_go_are_no_failure() {
    let mut world = admitted(json!({}));
    world.advance(60);
    suspend(&mut world, true);
    world.lost = ["tiny-a1-0", "tiny-a1-1"].map(Into::into).into();
    world.settle(true);
    world.reconcile();
    // Kueue waits for no pod that leaves.
    world.advance(20);
    suspend(&mut world, false);
    world.reconcile();
    assert_eq!(world.last_attempt().cause, None, "Kubernetes has not begun");
    world.settle(true);
    world.reconcile();
    assert_eq!(world.last_attempt().cause, None);
    assert_eq!(world.status().state, Some(DisplayState::Starting));
    world.lost.clear();
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Running));
    assert_eq!(world.status().attempt, Some(1));
    // A pod of the new ones that goes is one, unless the queue has taken the Job back: that news may come a moment later.
    world.advance(60);
    let now = world.now;
    pods::delete(world.pod("tiny-a1-1"), 300, now);
    assert_eq!(
        world.reconcile().requeue_after,
        Some(Duration::from_secs(5))
    );
    assert_eq!(world.last_attempt().cause, None);
    world.advance(5);
    world.reconcile();
    assert_eq!(world.last_attempt().reason.as_deref(), Some("PodDeleted"));
}

#[test]
fn pods_may_be_seen_to_leave_before_the_queue_is_seen_to_take_them_back() {
    let mut world = admitted(json!({"infrastructureRestarts": 0}));
    world.advance(60);
    let now = world.now;
    for pod in &mut world.pods {
        pods::delete(pod, 300, now);
    }
    world.reconcile();
    assert_eq!(world.last_attempt().cause, None);
    suspend(&mut world, true);
    world.go();
    let attempt = world.last_attempt();
    assert_eq!((attempt.cause, attempt.preemptions), (None, 1));
}

#[test]
fn a_pod_that_gave_up_by_itself_does_not_wait_in_the_queue() {
    let mut world = admitted(json!({}));
    let now = world.now;
    let message = r#"{"outcome":"Stalled","exitCode":75}"#;
    pods::exit(world.pod("tiny-a1-1"), 75, "Error", message, now);
    suspend(&mut world, true);
    world.reconcile();
    assert_eq!(world.last_attempt().reason.as_deref(), Some("Stalled"));
}

#[test]
fn pods_that_only_followed_their_gang_out_may_still_be_taken_back() {
    let mut world = admitted(json!({"infrastructureRestarts": 0}));
    let now = world.now;
    suspend(&mut world, true);
    // Kubernetes has not come to delete this one, which has lost its gang.
    let message = r#"{"outcome":"NodeLost","exitCode":75}"#;
    pods::exit(world.pod("tiny-a1-1"), 75, "Error", message, now);
    world.reconcile();
    assert_eq!(world.last_attempt().cause, None);
}

#[test]
fn a_pod_that_replaces_another_is_not_what_failed() {
    let mut world = admitted(json!({}));
    let now = world.now;
    let message = r#"{"outcome":"NodeLost","exitCode":75}"#;
    pods::exit(world.pod("tiny-a1-1"), 75, "Error", message, now);
    world.advance(1);
    world.settle(true);
    // The rest of the gang does not take it in.
    let mut others = world.pods.iter_mut();
    let replacement = others
        .find(|pod| pod.metadata.name.as_ref().unwrap().contains("a1-1-"))
        .unwrap();
    pods::exit(replacement, 78, "Error", "", now);
    // Nobody knows when the first one ended.
    let status = world.pod("tiny-a1-1").status.as_mut().unwrap();
    let container = &mut status.container_statuses.as_mut().unwrap()[0];
    let ended = container.state.as_mut().unwrap().terminated.as_mut();
    ended.unwrap().finished_at = None;
    world.reconcile();
    assert_eq!(
        world.last_attempt().cause,
        Some(AttemptCause::Infrastructure)
    );
}

#[test]
fn kubernetes_may_be_late_to_see_that_the_queue_let_the_job_go() {
    let mut world = admitted(json!({"startupDeadlineSeconds": 50}));
    let mut status = world.jobs[0].status.clone().unwrap();
    world.advance(60);
    suspend(&mut world, true);
    world.lost = ["tiny-a1-0", "tiny-a1-1"].map(Into::into).into();
    world.settle(true);
    world.reconcile();
    suspend(&mut world, false);
    // Only Kueue takes the time of the start out of the status.
    let now = world.now;
    status.conditions = Some(vec![JobCondition {
        type_: "Suspended".into(),
        status: "True".into(),
        last_transition_time: Some(Time(now)),
        ..JobCondition::default()
    }]);
    world.jobs[0].status = Some(status);
    world.reconcile();
    assert_eq!(world.last_attempt().cause, None);
    assert_eq!(world.last_attempt().preemptions, 1);
}

#[test]
fn the_clocks_stand_still_after_a_preemption_too() {
    let mut world = admitted(json!({"activeDeadlineSeconds": 100, "startupDeadlineSeconds": 50}));
    world.advance(90);
    suspend(&mut world, true);
    world.go();
    world.advance(10_000);
    world.go();
    assert_eq!(world.last_attempt().cause, None);
    suspend(&mut world, false);
    world.reconcile();
    assert_eq!(world.last_attempt().cause, None, "Kubernetes has not begun");
    world.settle(false);
    world.reconcile();
    assert_eq!(world.status().state, Some(DisplayState::Starting));
    world.settle(true);
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Running));
    world.advance(10);
    world.reconcile();
    assert_eq!(
        world.condition(ConditionType::Failed).reason,
        "DeadlineExceeded"
    );
}

#[test]
fn a_pod_on_a_lost_node_holds_a_preempted_attempt_no_longer_than_a_start_may_take() {
    let mut world = admitted(json!({"startupDeadlineSeconds": 900}));
    world.lost.insert("tiny-a1-0".into());
    suspend(&mut world, true);
    world.go();
    world.advance(3600);
    suspend(&mut world, false);
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Starting));
    world.advance(900);
    world.reconcile();
    let ended = world.last_attempt();
    assert_eq!(ended.reason.as_deref(), Some("Unschedulable"));
    world.go();
    world.advance(60);
    world.go();
    assert_eq!(world.status().attempt, Some(2));
}

#[test]
fn a_pod_that_failed_before_the_queue_took_the_job_back_is_the_failure() {
    let mut world = admitted(json!({}));
    let now = world.now;
    pods::exit(world.pod("tiny-a1-1"), 65, "Error", "", now);
    suspend(&mut world, true);
    world.go();
    assert_eq!(world.last_attempt().cause, Some(AttemptCause::Data));
    assert!(world.holds(ConditionType::Failed));
}

#[test]
fn a_gang_that_is_done_in_part_begins_again_in_another_job() {
    let mut world = admitted(json!({}));
    let now = world.now;
    pods::exit(world.pod("tiny-a1-1"), 0, "Completed", DONE, now);
    suspend(&mut world, true);
    world.go();
    let ended = &world.status().attempts[0];
    assert_eq!(ended.cause, Some(AttemptCause::Infrastructure));
    assert_eq!(ended.reason.as_deref(), Some("Preempted"));
    world.advance(60);
    world.go();
    assert_eq!(world.status().attempt, Some(2));
    assert_eq!(world.condition(ConditionType::Scheduled).reason, "Queued");
}

#[test]
fn a_preempted_training_can_be_suspended() {
    let mut world = admitted(json!({}));
    suspend(&mut world, true);
    world.go();
    world.training.spec.run_policy.suspend = true;
    world.go();
    assert_eq!(world.last_attempt().cause, Some(AttemptCause::Suspended));
    assert!(world.jobs.is_empty() && world.holds(ConditionType::ResourcesReleased));
}
