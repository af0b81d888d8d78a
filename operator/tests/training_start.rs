//! How an attempt begins, and what keeps it from beginning.
#![allow(clippy::unwrap_used)]

mod common;

use common::life::{exported, running};
use common::manifest::training;
use common::pods;
use common::world::World;
use serde_json::json;
use splade_crds::training::AttemptCause;
use splade_crds::{ConditionType, DisplayState};
use splade_operator::effect::Effect;
use splade_operator::training::InitFromTraining;
use std::sync::Arc;

#[test]
fn an_image_that_cannot_be_pulled_shows_at_once_and_fails_after_a_while() {
    let mut world = World::new(training(json!({})));
    world.reconcile();
    world.settle(false);
    for pod in world.pods_of("tiny-a1") {
        pods::wait(pod, "node", "ImagePullBackOff", "not found");
    }
    world.reconcile();
    let progressing = world.condition(ConditionType::Progressing);
    assert_eq!(
        (progressing.status.as_str(), progressing.reason.as_str()),
        ("False", "ImagePullBackOff")
    );
    assert_eq!(world.status().state, Some(DisplayState::Starting));
    world.advance(299);
    world.go();
    assert!(!world.holds(ConditionType::Failed));
    world.advance(1);
    world.reconcile();
    assert!(world.holds(ConditionType::Failed));
    assert_eq!(
        world.last_attempt().cause,
        Some(AttemptCause::Configuration)
    );
    world.advance(10);
    world.go();
    world.go();
    assert!(world.holds(ConditionType::ResourcesReleased));
    assert!(world.pods.is_empty() && world.jobs.is_empty());
}

#[test]
fn an_image_that_comes_back_in_time_is_no_failure() {
    let mut world = World::new(training(json!({})));
    world.reconcile();
    world.settle(false);
    for pod in world.pods_of("tiny-a1") {
        pods::wait(pod, "node", "ErrImagePull", "registry is away");
    }
    world.reconcile();
    world.advance(200);
    let now = world.now;
    for pod in world.pods_of("tiny-a1") {
        pods::run(pod, "node", now);
    }
    world.go();
    world.advance(200);
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Running));
}

#[test]
fn an_image_name_that_is_none_fails_at_once() {
    let mut world = World::new(training(json!({})));
    world.reconcile();
    world.settle(false);
    for pod in world.pods_of("tiny-a1") {
        pods::wait(pod, "node", "InvalidImageName", "couldn't parse");
    }
    world.reconcile();
    assert_eq!(
        world.condition(ConditionType::Failed).reason,
        "InvalidImageName"
    );
}

#[test]
fn what_does_not_fit_ends_at_the_startup_deadline() {
    let mut world = World::new(training(
        json!({"runPolicy": {"startupDeadlineSeconds": 60}}),
    ));
    world.reconcile();
    world.settle(false);
    for pod in world.pods_of("tiny-a1") {
        pods::condition(
            pod,
            "PodScheduled",
            "False",
            "Unschedulable",
            "0/2 nodes: no GPU",
        );
    }
    world.reconcile();
    let scheduled = world.condition(ConditionType::Scheduled);
    assert_eq!(
        (scheduled.status.as_str(), scheduled.reason.as_str()),
        ("False", "Unschedulable")
    );
    assert!(scheduled.message.contains("no GPU"));
    let wait = world.plan().requeue_after.unwrap();
    assert_eq!(wait.as_secs(), 60);
    world.advance(60);
    world.reconcile();
    let ended = world.last_attempt();
    assert_eq!(ended.cause, Some(AttemptCause::Infrastructure));
    assert_eq!(ended.reason.as_deref(), Some("Unschedulable"));
    assert!(
        world
            .status()
            .last_failure
            .unwrap()
            .message
            .contains("no GPU")
    );
}

#[test]
fn an_invalid_spec_is_shown_and_waited_on_without_a_loop() {
    let mut world = World::new(training(json!({"gang": {"volumes": [
        {"name": "splade-x", "mountPath": "/etc/splade", "source": {"emptyDir": {}}}
    ]}})));
    world.go();
    let progressing = world.condition(ConditionType::Progressing);
    assert_eq!(
        (progressing.status.as_str(), progressing.reason.as_str()),
        ("False", "InvalidSpec")
    );
    assert!(
        progressing.message.contains("spec.gang.volumes[0].name"),
        "{}",
        progressing.message
    );
    assert!(
        progressing
            .message
            .contains("spec.gang.volumes[0].mountPath")
    );
    assert_eq!(world.notices, ["CannotProceed"], "told once");
    let decision = world.plan();
    assert!(decision.requeue_after.is_none() && decision.effects.is_empty());
    world.training.spec.gang.pod.volumes.clear();
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Running));
}

#[test]
fn a_scheduler_that_the_cluster_lacks_is_named() {
    let mut world = World::new(training(
        json!({"gang": {"scheduler": {"type": "Kueue", "queueName": "q"}}}),
    ));
    world.go();
    assert_eq!(
        world.condition(ConditionType::Progressing).reason,
        "SchedulerMissing"
    );
    assert!(world.plan().requeue_after.is_some());
    world.offers.kueue = true;
    world.go();
    assert_eq!(world.status().attempt, Some(1));
    assert_eq!(world.condition(ConditionType::Scheduled).reason, "Queued");
    assert_eq!(world.status().state, Some(DisplayState::Pending));
}

#[test]
fn no_clock_runs_while_a_queue_holds_the_pods_back() {
    let mut world = World::new(training(
        json!({"gang": {"scheduler": {"type": "Kueue", "queueName": "q"}},
        "runPolicy": {"activeDeadlineSeconds": 100, "startupDeadlineSeconds": 50}}),
    ));
    world.offers.kueue = true;
    world.go();
    world.advance(10_000);
    world.go();
    assert_eq!(
        world.last_attempt().cause,
        None,
        "no clock runs in the queue"
    );
    world.jobs[0].spec.as_mut().unwrap().suspend = Some(false);
    world.settle(false);
    world.reconcile();
    assert_eq!(world.status().state, Some(DisplayState::Starting));
    let wait = world.plan().requeue_after.unwrap();
    assert_eq!(
        wait.as_secs(),
        50,
        "the start counts from when the queue lets go"
    );
    world.settle(true);
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Running));
}

#[test]
fn a_chained_training_waits_for_the_model_before_it() {
    let mut world = World::new(training(
        json!({"initFrom": {"trainingRef": {"name": "phase-1"}}}),
    ));
    world.init_from = InitFromTraining::Missing;
    world.go();
    assert_eq!(
        world.condition(ConditionType::Progressing).reason,
        "InitFromMissing"
    );
    let mut before = training(json!({}));
    world.init_from = InitFromTraining::Found(Arc::new(before.clone()));
    world.go();
    assert_eq!(
        world.condition(ConditionType::Progressing).reason,
        "WaitingForInitFrom"
    );
    before.status = Some(exported(json!({})).status());
    world.init_from = InitFromTraining::Found(Arc::new(before));
    let decision = world.reconcile();
    assert_eq!(
        world.status().initial_weights.as_deref(),
        Some("s3://models/tiny")
    );
    let Effect::Create(objects) = &decision.effects[0] else {
        panic!("{decision:?}")
    };
    assert!(
        format!("{objects:?}").contains(r#"\"initFrom\": {\n      \"uri\": \"s3://models/tiny\""#),
        "{objects:?}"
    );
}

#[test]
fn a_chained_training_keeps_its_weights_when_the_one_before_it_is_gone() {
    let mut world = World::new(training(
        json!({"initFrom": {"trainingRef": {"name": "phase-1"}}}),
    ));
    world.init_from = InitFromTraining::Found(Arc::new(exported(json!({})).training.clone()));
    world.go();
    world.init_from = InitFromTraining::Missing;
    world.finish("tiny-a1", 75, "");
    world.settle(true);
    world.go();
    world.advance(60);
    world.go();
    let status = world.status();
    assert_eq!(
        (status.attempt, status.state),
        (Some(2), Some(DisplayState::Running))
    );
}

#[test]
fn a_chained_training_fails_with_the_one_before_it() {
    let mut before = training(json!({}));
    let mut failed = running(json!({}));
    failed.finish("tiny-a1", 65, "");
    failed.reconcile();
    before.status = Some(failed.status());
    let mut world = World::new(training(
        json!({"initFrom": {"trainingRef": {"name": "phase-1"}}}),
    ));
    world.init_from = InitFromTraining::Found(Arc::new(before));
    world.go();
    assert_eq!(
        world.condition(ConditionType::Failed).reason,
        "InitFromFailed"
    );
}

#[test]
fn pods_that_lose_their_group_are_a_configuration_failure() {
    let mut world = World::new(training(
        json!({"gang": {"scheduler": {"type": "PodGroup"}}}),
    ));
    world.offers.pod_group = Some(splade_operator::settings::PodGroupVersion::V1Beta1);
    world.reconcile();
    world.settle(false);
    for pod in world.pods_of("tiny-a1") {
        assert!(pod.spec.as_mut().unwrap().scheduling_group.take().is_some());
    }
    world.reconcile();
    assert_eq!(
        world.condition(ConditionType::Failed).reason,
        "PodGroupUnsupported"
    );
}
