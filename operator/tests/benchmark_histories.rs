//! What holds for every history of a benchmark: random faults, operators that die between any two effects, models that
//! come late or never, clocks that jump.
#![allow(clippy::unwrap_used)]

mod common;

use common::faults::{self, Fault, fault};
use common::life::{exported, running};
use common::pods;
use common::row::{MEASURED, Row};
use proptest::prelude::*;
use serde_json::{Value, json};
use splade_crds::{ConditionType, SpladeBenchmarkStatus};
use splade_operator::benchmark::ModelTraining;
use splade_operator::conditions::holds;
use splade_operator::effect::{Decision, Effect};
use splade_operator::labels::Component;
use splade_operator::names;
use splade_operator::objects::Object;
use std::sync::{Arc, LazyLock};

/// Restarts after failures of the program, and after those of the infrastructure.
const BUDGET: (u32, u32) = (1, 10);
/// Seconds that a benchmark stays after its end.
const TTL: i64 = 500;

/// The training whose model is measured: missing, before its export, failed, and exported.
static TRAININGS: LazyLock<[ModelTraining; 4]> = LazyLock::new(|| {
    let mut failed = running(json!({}));
    failed.finish("tiny-a1", 65, "");
    failed.reconcile();
    let found = |training| ModelTraining::Found(Arc::new(training));
    [
        ModelTraining::Missing,
        found(running(json!({})).training),
        found(failed.training),
        found(exported(json!({})).training),
    ]
});

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// Something happens in the cluster.
    Fault(Fault),
    /// The training whose model is measured goes on, or is gone.
    Training(usize),
    /// The pod ends well, and what it says is lost.
    FinishUntold,
    /// The operator dies after so many effects, and another one begins.
    Crash(usize),
}

fn event() -> impl Strategy<Value = Event> {
    // A training that fails is rare: it ends the history.
    let training = prop_oneof![4 => Just(0_usize), 4 => Just(1), 1 => Just(2), 6 => Just(3)];
    prop_oneof![
        25 => fault().prop_map(Event::Fault),
        2 => training.prop_map(Event::Training),
        1 => Just(Event::FinishUntold),
        3 => (0..4_usize).prop_map(Event::Crash),
    ]
}

fn happen(row: &mut Row, event: &Event) {
    match event {
        Event::Fault(fault) => faults::happen(&mut row.cluster, fault, MEASURED),
        Event::Training(which) => {
            if !matches!(row.model_of, ModelTraining::NotAsked) {
                row.model_of = TRAININGS[*which].clone();
            }
        }
        Event::FinishUntold => faults::finish(&mut row.cluster, ""),
        Event::Crash(_) => {}
    }
}

/// What no step may break.
fn check(row: &Row, decision: &Decision<SpladeBenchmarkStatus>) {
    let (before, after) = (row.status(), &decision.status);
    let is = |status: &SpladeBenchmarkStatus, kind| holds(&status.conditions, kind);
    let (succeeded, failed) = (ConditionType::Succeeded, ConditionType::Failed);
    for kind in [succeeded, failed] {
        assert!(!is(&before, kind) || is(after, kind), "{kind:?} taken back");
    }
    assert!(!(is(after, succeeded) && is(after, failed)), "both ends");
    assert_eq!(is(after, succeeded), after.summary.is_some(), "the result");
    let had_ended = is(&before, succeeded) || is(&before, failed);

    attempts_only_grow(&before, after);
    let (old, new) = (&before.restarts, &after.restarts);
    assert!(new.application >= old.application && new.infrastructure >= old.infrastructure);
    assert!(new.application <= BUDGET.0 && new.infrastructure <= BUDGET.1);
    let number = after.attempt.as_ref().map_or(0, |attempt| attempt.number);
    let restarts = new.application + new.infrastructure;
    assert!(number <= restarts + 1, "attempt {number} is in no budget");
    if before.model_uri.is_some() {
        assert_eq!(before.model_uri, after.model_uri, "another model");
    }

    for effect in &decision.effects {
        match effect {
            Effect::Create(objects) => {
                assert!(!had_ended && !is(after, failed), "created after the end");
                for object in objects {
                    if let Object::Job(job) = object {
                        nothing_older_runs(row, job.metadata.name.as_deref().unwrap());
                    }
                }
            }
            Effect::DeleteAttempt(objects) => is_over_in_the_status(after, &objects.config_map),
            Effect::DeleteOwner { .. } => {
                let ended = after.completion_time.as_ref().unwrap().0;
                assert!(had_ended && row.cluster.now.as_second() - ended.as_second() >= TTL);
            }
            Effect::DeletePod { .. } | Effect::Publish(_) => {}
        }
    }
}

fn attempts_only_grow(before: &SpladeBenchmarkStatus, after: &SpladeBenchmarkStatus) {
    let Some(old) = &before.attempt else {
        assert!(after.attempt.as_ref().is_none_or(|new| new.number == 1));
        return;
    };
    let new = after.attempt.as_ref().unwrap();
    if new.number == old.number {
        assert!(old.cause.is_none() || new.cause == old.cause, "it goes on");
    } else {
        assert_eq!(new.number, old.number + 1);
        assert!(old.cause.is_some(), "two open attempts");
    }
}

/// No pod of another attempt may run.
fn nothing_older_runs(row: &Row, job: &str) {
    let prefix = format!("{job}-");
    for pod in row.cluster.pods.iter().filter(|pod| pods::may_run(pod)) {
        let name = pod.metadata.name.as_deref().unwrap();
        assert!(name.starts_with(&prefix), "{job} while {name} may run");
    }
}

/// What is deleted has ended by the status that is written before.
fn is_over_in_the_status(after: &SpladeBenchmarkStatus, name: &str) {
    let attempt = after.attempt.as_ref();
    if let Some(open) = attempt.filter(|attempt| attempt.cause.is_none()) {
        let open = names::of_attempt(Component::Benchmark, "row", open.number);
        assert_ne!(name, open, "deleted while it goes on");
    }
}

/// Reconciles with all checks; the operator may die after some effects.
fn step(row: &mut Row, effects: usize) -> Decision<SpladeBenchmarkStatus> {
    let snapshot = row.clone();
    let decision = row.reconcile_until(effects);
    check(&snapshot, &decision);
    if decision.effects.is_empty() {
        let status = row.plan().status;
        assert_eq!(status, row.status(), "a status that changes without news");
    }
    decision
}

/// From here on nothing fails, though nodes may stay away: everything has to come to an end, and be deleted.
fn heal(row: &mut Row, nodes_back: bool) {
    if nodes_back {
        row.cluster.lost.clear();
    }
    happen(row, &Event::Training(3));
    for job in &mut row.cluster.jobs {
        job.spec.as_mut().unwrap().suspend = None;
    }
    for _ in 0..400 {
        let decision = step(row, usize::MAX);
        if row.cluster.is_deleted {
            return;
        }
        let mut moved = row.cluster.settle(true);
        moved |= row
            .cluster
            .pods
            .iter()
            .any(|pod| pods::phase(pod) == "Running");
        faults::finish(&mut row.cluster, MEASURED);
        let acted = decision
            .effects
            .iter()
            .any(|effect| !matches!(effect, Effect::Publish(_)));
        if !moved && !acted {
            let again = step(row, usize::MAX);
            let wait = again.requeue_after.or(decision.requeue_after);
            if let Some(wait) = wait {
                row.cluster.advance(i64::try_from(wait.as_secs()).unwrap());
            } else {
                let next = row.plan();
                assert!(next != again, "nothing moves it any more: {next:#?}");
            }
        }
    }
    panic!("never ends: {:#?}", row.status());
}

fn row(of_training: bool) -> Row {
    let (model, model_of) = if of_training {
        let model = json!({"uri": Value::Null, "trainingRef": {"name": "tiny"}});
        (model, ModelTraining::Missing)
    } else {
        (json!({}), ModelTraining::NotAsked)
    };
    let changes = json!({"model": model, "ttlSecondsAfterFinished": TTL});
    Row::new(changes, model_of)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, max_shrink_iters: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_rules_and_ends(
        events in prop::collection::vec(event(), 0..60),
        of_training in any::<bool>(),
        nodes_back in any::<bool>(),
    ) {
        let mut row = row(of_training);
        for event in &events {
            happen(&mut row, event);
            if let Event::Crash(effects) = event {
                step(&mut row, *effects);
            }
            step(&mut row, usize::MAX);
        }
        heal(&mut row, nodes_back);
    }

    #[test]
    fn an_operator_that_comes_late_keeps_the_rules(
        events in prop::collection::vec((event(), prop::option::of(0..4_usize)), 0..80),
        of_training in any::<bool>(),
        nodes_back in any::<bool>(),
    ) {
        let mut row = row(of_training);
        for (event, effects) in &events {
            happen(&mut row, event);
            if let Some(effects) = effects {
                step(&mut row, *effects);
            }
        }
        heal(&mut row, nodes_back);
    }
}
