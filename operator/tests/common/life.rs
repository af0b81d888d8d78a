//! Trainings at some point of their life.

use super::manifest::training;
use super::world::World;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};
use splade_crds::{ConditionType, DisplayState, SpladeBenchmarkStatus};
use splade_operator::conditions::{Conditions, Truth};

/// What the pods of a training leave behind when it is done.
pub const DONE: &str = r#"{"outcome":"Succeeded","exitCode":0,"checkpoint":"s3://runs/tiny/attempt-0001/step-00000500"}"#;
/// What an export leaves behind.
pub const EXPORTED: &str = r#"{"outcome":"Succeeded","exitCode":0,"model":{"uri":"s3://models/tiny","digest":"sha256:ab"}}"#;

/// A training whose pods run.
pub fn running(changes: Value) -> World {
    let mut world = World::new(training(changes));
    world.go();
    assert_eq!(world.status().state, Some(DisplayState::Running));
    world
}

/// A training that is done but for its benchmarks.
pub fn exported(changes: Value) -> World {
    let mut world = running(changes);
    world.finish("tiny-a1", 0, DONE);
    world.go();
    world.finish("tiny-export-1", 0, EXPORTED);
    world.go();
    world
}

/// The benchmarks end so.
pub fn end_benchmarks(world: &mut World, kind: ConditionType) {
    let now = world.now;
    for benchmark in &mut world.benchmarks {
        let mut status = SpladeBenchmarkStatus {
            summary: Some(serde_json::from_value(json!({"sparse": "62.2%"})).unwrap()),
            ..SpladeBenchmarkStatus::default()
        };
        let mut conditions = Conditions::new(&mut status.conditions, Some(1), now);
        conditions.set(kind, Truth::True, "Finished", "");
        benchmark.status = Some(status);
    }
}

/// Types of conditions, in their order.
pub fn kinds(conditions: &[Condition]) -> Vec<&str> {
    conditions.iter().map(|one| one.type_.as_str()).collect()
}
