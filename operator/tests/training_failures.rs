//! Failures of an attempt: whose fault they are, and what follows.
#![allow(clippy::unwrap_used)]

mod common;

use common::life::running;
use common::pods;
use common::world::World;
use serde_json::json;
use splade_crds::training::AttemptCause;
use splade_crds::{ConditionType, DisplayState};

/// What became of the first attempt after something happened to it.
fn after(happens: impl FnOnce(&mut World)) -> (World, AttemptCause, String) {
    let mut world = running(json!({}));
    world.advance(60);
    happens(&mut world);
    world.settle(true);
    world.reconcile();
    let ended = world.last_attempt();
    (world, ended.cause.unwrap(), ended.reason.unwrap())
}

#[test]
fn exit_codes_say_whose_fault_it_was() {
    let failed = |code: i32| {
        after(move |world| {
            let now = world.now;
            pods::exit(world.pod("tiny-a1-1"), code, "Error", "", now);
        })
    };
    for (code, cause, reason) in [
        (64, AttemptCause::Configuration, "InvalidConfiguration"),
        (78, AttemptCause::Configuration, "InvalidConfiguration"),
        (65, AttemptCause::Data, "InvalidData"),
        (66, AttemptCause::Data, "InvalidData"),
        (70, AttemptCause::Application, "ProgramFailed"),
        (1, AttemptCause::Application, "ProgramFailed"),
        (139, AttemptCause::Application, "ProgramFailed"),
        (75, AttemptCause::Infrastructure, "InfrastructureFailed"),
        (137, AttemptCause::Infrastructure, "Killed"),
        (143, AttemptCause::Infrastructure, "Killed"),
    ] {
        let (world, found, word) = failed(code);
        assert_eq!((found, word.as_str()), (cause, reason), "exit code {code}");
        let failure = world.status().last_failure.unwrap();
        assert_eq!(
            failure.pod_name.as_deref(),
            Some("tiny-a1-1"),
            "exit code {code}"
        );
        assert_eq!(failure.node.as_deref(), Some("node-of-tiny-a1-1"));
        assert_eq!(failure.container.as_deref(), Some("job"));
        assert_eq!(failure.exit_code, Some(code));
        let is_final = matches!(cause, AttemptCause::Configuration | AttemptCause::Data);
        assert_eq!(
            world.holds(ConditionType::Failed),
            is_final,
            "exit code {code}"
        );
        let counts = world.status().restarts;
        assert_eq!(
            counts.application,
            u32::from(cause == AttemptCause::Application)
        );
        assert_eq!(
            counts.infrastructure,
            u32::from(cause == AttemptCause::Infrastructure)
        );
    }
}

#[test]
fn too_little_memory_is_the_programs_fault() {
    let (world, cause, reason) = after(|world| {
        let now = world.now;
        pods::exit(world.pod("tiny-a1-0"), 137, "OOMKilled", "", now);
        let lost = r#"{"outcome":"NodeLost","exitCode":75}"#;
        pods::exit(world.pod("tiny-a1-1"), 75, "Error", lost, now);
    });
    assert_eq!(
        (cause, reason.as_str()),
        (AttemptCause::Application, "OOMKilled")
    );
    assert_eq!(
        world.status().last_failure.unwrap().pod_name.as_deref(),
        Some("tiny-a1-0")
    );
}

#[test]
fn the_termination_message_is_told() {
    let message = r#"{"outcome":"Failed","exitCode":70,"resumedFrom":"s3://runs/tiny/attempt-0001/step-00000100",
        "checkpoint":"s3://runs/tiny/attempt-0002/step-00000300","error":{"rank":3,"message":"loss is NaN"}}"#;
    let (world, ..) = after(|world| {
        let now = world.now;
        pods::exit(world.pod("tiny-a1-0"), 70, "Error", message, now);
    });
    let status = world.status();
    assert_eq!(status.last_failure.unwrap().message, "loss is NaN");
    assert_eq!(status.checkpoint.unwrap().step, 300);
    assert_eq!(
        status.attempts[0].resumed_from.as_deref(),
        Some("s3://runs/tiny/attempt-0001/step-00000100")
    );
    assert!(world.holds(ConditionType::CheckpointAvailable));
}

#[test]
fn disruptions_are_named() {
    for (condition, reason) in [
        ("PreemptionByScheduler", "Preempted"),
        ("EvictionByEvictionAPI", "Evicted"),
        ("TerminationByKubelet", "Evicted"),
        ("DeletionByTaintManager", "NodeLost"),
        ("DeletionByPodGC", "NodeLost"),
    ] {
        let (_, cause, word) = after(|world| {
            let now = world.now;
            world.lost.insert("tiny-a1-1".into());
            let pod = world.pod("tiny-a1-1");
            pods::condition(pod, "DisruptionTarget", "True", condition, "taken away");
            pods::delete(pod, 300, now);
        });
        assert_eq!(
            (cause, word.as_str()),
            (AttemptCause::Infrastructure, reason),
            "{condition}"
        );
    }
}

#[test]
fn a_deleted_pod_ends_the_attempt_at_once() {
    let mut world = running(json!({}));
    world.lost.insert("tiny-a1-1".into());
    let now = world.now;
    pods::delete(world.pod("tiny-a1-1"), 300, now);
    world.reconcile();
    let ended = world.last_attempt();
    assert_eq!(ended.reason.as_deref(), Some("PodDeleted"));
    assert_eq!(ended.node.as_deref(), Some("node-of-tiny-a1-1"));
}

#[test]
fn a_stall_is_named_by_the_launcher() {
    let (_, cause, reason) = after(|world| {
        let stalled =
            r#"{"outcome":"Stalled","exitCode":75,"error":{"message":"no step for 1800 s"}}"#;
        world.finish("tiny-a1", 75, stalled);
    });
    assert_eq!(
        (cause, reason.as_str()),
        (AttemptCause::Infrastructure, "Stalled")
    );
}

#[test]
fn a_job_that_is_gone_is_another_attempt() {
    let (world, cause, reason) = after(|world| {
        world.jobs.clear();
        world.pods.clear();
    });
    assert_eq!(
        (cause, reason.as_str()),
        (AttemptCause::Infrastructure, "JobDeleted")
    );
    assert_eq!(world.status().attempt, Some(1));
}

#[test]
fn the_next_attempt_waits_for_the_pods_and_for_the_pause() {
    let mut world = running(json!({}));
    world.lost.insert("tiny-a1-0".into());
    let now = world.now;
    pods::exit(world.pod("tiny-a1-1"), 75, "Error", "", now);
    world.settle(true);
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Restarting));
    world.advance(200);
    world.go();
    assert_eq!(
        world.status().attempt,
        Some(1),
        "a pod of attempt 1 may still run"
    );
    assert_eq!(
        world.condition(ConditionType::ResourcesReleased).status,
        "False"
    );
    // Its node does not come back within the time that the pod has been given.
    world.advance(131);
    world.go();
    assert_eq!(world.status().attempt, Some(2));
    assert_eq!(world.status().state, Some(DisplayState::Running));
    assert!(world.others.contains("ConfigMap/tiny-a2"));
    assert!(
        !world.others.contains("ConfigMap/tiny-a1") && !world.others.contains("Service/tiny-a1")
    );
}

#[test]
fn pauses_double_and_a_long_run_begins_anew() {
    let mut world =
        running(json!({"runPolicy": {"backoff": {"initialSeconds": 10, "maxSeconds": 60}}}));
    let mut pauses = Vec::new();
    for number in 1..=5 {
        if number == 4 {
            world.advance(100);
            world.go();
        }
        world.finish(&format!("tiny-a{number}"), 75, "");
        world.settle(true);
        world.go();
        let failed = world.now;
        while world.status().attempt == Some(number) {
            let wait = world.plan().requeue_after.unwrap();
            world.advance(i64::try_from(wait.as_secs()).unwrap());
            world.go();
        }
        pauses.push(world.now.as_second() - failed.as_second());
    }
    assert_eq!(pauses, [10, 20, 40, 10, 20]);
}

#[test]
fn budgets_are_kept_apart_and_spent() {
    let mut world = running(json!({"runPolicy": {
        "maxRestarts": 1, "infrastructureRestarts": 2, "backoff": {"initialSeconds": 0, "maxSeconds": 0}
    }}));
    for (number, code) in [(1, 75), (2, 70), (3, 75)] {
        world.finish(&format!("tiny-a{number}"), code, "");
        world.settle(true);
        world.go();
        assert_eq!(
            world.status().state,
            Some(DisplayState::Running),
            "after attempt {number}"
        );
    }
    world.finish("tiny-a4", 70, "");
    world.settle(true);
    world.go();
    let status = world.status();
    assert_eq!(
        (status.restarts.application, status.restarts.infrastructure),
        (1, 2)
    );
    assert!(world.holds(ConditionType::Failed));
    assert_eq!(world.condition(ConditionType::Succeeded).status, "False");
    assert!(world.holds(ConditionType::ResourcesReleased));
    assert_eq!(world.jobs.len(), 1, "the last Job stays for its logs");
}

#[test]
fn only_ten_attempts_are_kept() {
    let mut world =
        running(json!({"runPolicy": {"backoff": {"initialSeconds": 0, "maxSeconds": 0}}}));
    for number in 1..=12 {
        world.finish(&format!("tiny-a{number}"), 75, "");
        world.settle(true);
        world.go();
    }
    let numbers: Vec<_> = world
        .status()
        .attempts
        .iter()
        .map(|one| one.number)
        .collect();
    assert_eq!(numbers, (4..=13).collect::<Vec<_>>());
}

#[test]
fn the_pod_that_failed_by_itself_is_named_before_those_that_followed() {
    let (world, cause, reason) = after(|world| {
        let now = world.now;
        let lost = r#"{"outcome":"NodeLost","exitCode":75}"#;
        pods::exit(world.pod("tiny-a1-1"), 75, "Error", lost, now);
        world.advance(1);
        let now = world.now;
        pods::exit(world.pod("tiny-a1-0"), 70, "Error", "", now);
    });
    assert_eq!(
        (cause, reason.as_str()),
        (AttemptCause::Application, "ProgramFailed")
    );
    let failure = world.status().last_failure.unwrap();
    assert_eq!(failure.pod_name.as_deref(), Some("tiny-a1-0"));
}

#[test]
fn pods_that_the_job_deletes_are_not_why_it_failed() {
    let (_, _, reason) = after(|world| {
        let now = world.now;
        world.lost.insert("tiny-a1-0".into());
        let lost = r#"{"outcome":"NodeLost","exitCode":75}"#;
        pods::exit(world.pod("tiny-a1-1"), 75, "Error", lost, now);
    });
    assert_eq!(reason, "NodeLost");
}

#[test]
fn a_pod_that_is_gone_without_a_trace_is_named_so() {
    let mut world = running(json!({}));
    world
        .pods
        .retain(|pod| pod.metadata.name.as_deref() != Some("tiny-a1-1"));
    world.settle(true);
    world.pods.clear();
    world.reconcile();
    assert_eq!(
        world.last_attempt().cause,
        None,
        "news of the pods may be on their way"
    );
    let wait = world.plan().requeue_after.unwrap();
    assert_eq!(wait.as_secs(), 5);
    world.advance(5);
    world.reconcile();
    assert_eq!(world.last_attempt().reason.as_deref(), Some("PodLost"));
}

#[test]
fn pods_without_a_job_are_deleted_and_waited_for() {
    let mut world = running(json!({}));
    world.jobs.clear();
    world.reconcile();
    assert_eq!(world.last_attempt().reason.as_deref(), Some("JobDeleted"));
    world.lost.insert("tiny-a1-0".into());
    world.advance(60);
    world.go();
    assert_eq!(world.status().attempt, Some(1));
    assert!(world.pod("tiny-a1-0").metadata.deletion_timestamp.is_some());
    let wait = world.plan().requeue_after.unwrap();
    assert_eq!(
        wait.as_secs(),
        270,
        "what is left to the pod, and its node may be late"
    );
    world.lost.clear();
    world.settle(true);
    world.go();
    assert_eq!(world.status().attempt, Some(2));
}

#[test]
fn pods_of_a_namesake_are_not_those_of_the_attempt() {
    let mut world = running(json!({}));
    let now = world.now;
    let mut other = world.pod("tiny-a1-0").clone();
    other.metadata.name = Some("tiny-a1-0-old".into());
    other.metadata.owner_references.as_mut().unwrap()[0].uid = "of another Job".into();
    pods::exit(&mut other, 65, "Error", "", now);
    world.pods.push(other);
    world.reconcile();
    assert_eq!(world.last_attempt().cause, None);
}
