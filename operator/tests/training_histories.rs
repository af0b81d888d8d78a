//! What holds for every history of a training: random faults, operators that die between any two effects,
//! suspensions, clocks that jump.
#![allow(clippy::unwrap_used)]

mod common;

use common::faults::{self, Fault, fault};
use common::life::{EXPORTED, end_benchmarks};
use common::manifest::training;
use common::pods;
use common::world::World;
use proptest::prelude::*;
use serde_json::json;
use splade_crds::training::AttemptCause;
use splade_crds::{ConditionType, SpladeTrainingStatus};
use splade_operator::conditions::holds;
use splade_operator::effect::{Decision, Effect};
use splade_operator::labels::Component;
use splade_operator::names;
use splade_operator::objects::Object;

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// Something happens in the cluster.
    Fault(Fault),
    /// runPolicy.suspend changes.
    Hold(bool),
    /// The benchmark ends.
    Benchmark(bool),
    /// The operator dies after so many effects, and another one begins.
    Crash(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        25 => fault().prop_map(Event::Fault),
        1 => any::<bool>().prop_map(Event::Hold),
        1 => any::<bool>().prop_map(Event::Benchmark),
        3 => (0..4_usize).prop_map(Event::Crash),
    ]
}

fn happen(world: &mut World, event: &Event) {
    match event {
        Event::Fault(fault) => faults::happen(world, fault, EXPORTED),
        Event::Hold(hold) => world.training.spec.run_policy.suspend = *hold,
        Event::Benchmark(well) => end_benchmark(world, *well),
        Event::Crash(_) => {}
    }
}

fn end_benchmark(world: &mut World, well: bool) {
    let kind = if well {
        ConditionType::Succeeded
    } else {
        ConditionType::Failed
    };
    end_benchmarks(world, kind);
}

/// What no step may break.
fn check(world: &World, before: &SpladeTrainingStatus, decision: &Decision<SpladeTrainingStatus>) {
    let after = &decision.status;
    let is = |status: &SpladeTrainingStatus, kind| holds(&status.conditions, kind);
    for kind in [ConditionType::Succeeded, ConditionType::Failed] {
        assert!(
            !is(before, kind) || is(after, kind),
            "{kind:?} was taken back"
        );
    }
    let (succeeded, failed) = (ConditionType::Succeeded, ConditionType::Failed);
    assert!(!(is(after, succeeded) && is(after, failed)), "both ends");
    let had_ended = is(before, succeeded) || is(before, failed);

    let (old, new) = (before.attempt.unwrap_or(0), after.attempt.unwrap_or(0));
    assert!(new == old || new == old + 1, "attempt {old} to {new}");
    let policy = &world.training.spec.run_policy;
    assert!(after.restarts.application >= before.restarts.application);
    assert!(after.restarts.infrastructure >= before.restarts.infrastructure);
    assert!(after.restarts.application <= policy.max_restarts);
    assert!(after.restarts.infrastructure <= policy.infrastructure_restarts);
    assert!(after.attempts.len() <= 10);
    assert!(
        after
            .attempts
            .iter()
            .rev()
            .skip(1)
            .all(|one| one.cause.is_some()),
        "two open attempts"
    );

    for effect in &decision.effects {
        match effect {
            Effect::Create(objects) => {
                assert!(!had_ended && !is(after, failed), "created after the end");
                assert!(!policy.suspend, "created in suspension");
                for object in objects {
                    if let Object::Job(job) = object {
                        nothing_older_runs(world, job.metadata.name.as_deref().unwrap());
                    }
                }
            }
            Effect::DeleteAttempt(objects) => is_over_in_the_status(after, &objects.config_map),
            Effect::DeletePod { .. } | Effect::DeleteOwner { .. } | Effect::Publish(_) => {}
        }
    }
}

/// No pod of another attempt of the same kind may run.
fn nothing_older_runs(world: &World, job: &str) {
    let is_export = job.contains("-export-");
    for pod in world.pods.iter().filter(|pod| pods::may_run(pod)) {
        let name = pod.metadata.name.as_deref().unwrap();
        let same_kind = name.contains("-export-") == is_export;
        assert!(
            !same_kind || name.starts_with(&format!("{job}-")),
            "{job} while {name} may run"
        );
    }
}

/// What is deleted has ended by the status that is written before.
fn is_over_in_the_status(after: &SpladeTrainingStatus, name: &str) {
    let open_attempt = after.attempts.last().filter(|one| one.cause.is_none());
    let export = after.export.as_ref().map(|export| &export.attempt);
    let open_export = export.filter(|one| one.cause.is_none());
    for (component, open) in [
        (Component::Training, open_attempt),
        (Component::Export, open_export),
    ] {
        if let Some(open) = open {
            assert_ne!(
                name,
                names::of_attempt(component, "tiny", open.number),
                "deleted while it goes on"
            );
        }
    }
}

/// Reconciles with all checks; the operator may die after some effects.
fn step(world: &mut World, effects: usize) -> Decision<SpladeTrainingStatus> {
    let before = world.status();
    let snapshot = world.clone();
    let all_done = all_pods_succeeded(world);
    let decision = world.reconcile_until(effects);
    check(&snapshot, &before, &decision);
    let was_open = before
        .attempts
        .last()
        .is_some_and(|one| one.cause.is_none());
    if was_open && all_done {
        let cause = decision.status.attempts.last().unwrap().cause;
        assert_eq!(cause, Some(AttemptCause::Completed), "success is put first");
    }
    if decision.effects.is_empty() {
        assert_eq!(
            world.plan().status,
            world.status(),
            "a status that changes without news"
        );
    }
    decision
}

fn all_pods_succeeded(world: &World) -> bool {
    let attempt = world.status().attempt.unwrap_or(0);
    let job = names::of_attempt(Component::Training, "tiny", attempt);
    let exists = world
        .jobs
        .iter()
        .any(|one| one.metadata.name.as_deref() == Some(job.as_str()));
    let prefix = format!("{job}-");
    let mut pods = world
        .pods
        .iter()
        .filter(|pod| pod.metadata.name.as_deref().unwrap().starts_with(&prefix));
    exists && pods.clone().count() == 2 && pods.all(|pod| pods::phase(pod) == "Succeeded")
}

/// From here on nothing fails, though nodes may stay away: everything has to come to an end.
fn heal(world: &mut World, nodes_back: bool) {
    if nodes_back {
        world.lost.clear();
    }
    world.training.spec.run_policy.suspend = false;
    for _ in 0..400 {
        let decision = step(world, usize::MAX);
        let mut moved = let_all_go(world);
        moved |= world.settle(true);
        let ran = world.pods.iter().any(|pod| pods::phase(pod) == "Running");
        faults::finish(world, EXPORTED);
        end_benchmark(world, true);
        moved |= ran;
        if has_ended(world) && world.holds(ConditionType::ResourcesReleased) {
            return;
        }
        let created = decision
            .effects
            .iter()
            .any(|effect| !matches!(effect, Effect::Publish(_)));
        if !moved && !created {
            let again = step(world, usize::MAX);
            let wait = again.requeue_after.or(decision.requeue_after);
            if let Some(wait) = wait {
                world.advance(i64::try_from(wait.as_secs()).unwrap());
            } else {
                let next = world.plan();
                assert!(next != again, "nothing moves it any more: {next:#?}");
            }
        }
    }
    panic!("never ends: {:#?}", world.status());
}

/// Queues hold nothing back. Tells whether one did.
fn let_all_go(world: &mut World) -> bool {
    let mut held = false;
    for job in &mut world.jobs {
        held |= job.spec.as_mut().unwrap().suspend.take() == Some(true);
    }
    held
}

fn has_ended(world: &World) -> bool {
    world.holds(ConditionType::Succeeded) || world.holds(ConditionType::Failed)
}

fn world(deadline: Option<u32>, queued: bool) -> World {
    let scheduler = if queued {
        json!({"type": "Kueue", "queueName": "q"})
    } else {
        json!({"type": "None"})
    };
    let mut world = World::new(training(json!({
        "gang": {"scheduler": scheduler},
        "runPolicy": {
            "maxRestarts": 2, "infrastructureRestarts": 4, "startupDeadlineSeconds": 900,
            "activeDeadlineSeconds": deadline, "backoff": {"initialSeconds": 5, "maxSeconds": 60},
        },
    })));
    world.offers.kueue = queued;
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, max_shrink_iters: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_rules_and_ends(
        events in prop::collection::vec(event(), 0..60),
        nodes_back in any::<bool>(),
        queued in any::<bool>(),
    ) {
        let mut world = world(None, queued);
        for event in &events {
            happen(&mut world, event);
            if let Event::Crash(effects) = event {
                step(&mut world, *effects);
            }
            step(&mut world, usize::MAX);
        }
        heal(&mut world, nodes_back);
    }

    #[test]
    fn an_operator_that_comes_late_keeps_the_rules(
        events in prop::collection::vec((event(), prop::option::of(0..4_usize)), 0..80),
        nodes_back in any::<bool>(),
        queued in any::<bool>(),
    ) {
        let mut world = world(Some(5000), queued);
        for (event, effects) in &events {
            happen(&mut world, event);
            if let Some(effects) = effects {
                step(&mut world, *effects);
            }
        }
        heal(&mut world, nodes_back);
    }

    #[test]
    fn the_deadline_counts_active_time_alone(events in prop::collection::vec(event(), 0..60)) {
        let limit = 1000;
        let mut world = world(Some(limit), false);
        let mut active = 0;
        for event in &events {
            if matches!(event, Event::Fault(Fault::ClockBack(_))) {
                continue;
            }
            let begun = world.status().start_time.is_some();
            if let Event::Fault(Fault::Advance(seconds)) = event
                && begun
                && !world.training.spec.run_policy.suspend
            {
                active += *seconds;
            }
            happen(&mut world, event);
            step(&mut world, usize::MAX);
            let status = world.status();
            let late = status.conditions.iter().any(|one| {
                one.type_ == "Failed" && one.status == "True" && one.reason == "DeadlineExceeded"
            });
            prop_assert!(!late || active >= i64::from(limit), "failed after {active} s");
        }
    }
}
