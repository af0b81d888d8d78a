//! Correct specs and changes that break the rules of the definitions, for the rules as they are evaluated here and for
//! those in an API server.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not recognise as tests

use serde_json::{Value, json};

pub fn training_json() -> Value {
    json!({
        "model": {"base": "base"},
        "data": {"train": ["train.jsonl"]},
        "optimizer": {"epochs": 1},
        "checkpoint": {"uri": "runs", "everySteps": 1},
        "export": {"uri": "out"},
        "benchmarks": [{"name": "a", "dataset": {"name": "d", "uri": "d"}}],
    })
}

pub fn benchmark_json() -> Value {
    json!({"model": {"uri": "m"}, "dataset": {"name": "d", "uri": "d"}})
}

/// A spec with changes: a JSON pointer and the new value, null to remove.
pub fn changed(spec: &Value, changes: &[(&str, Value)]) -> Value {
    let mut spec = spec.clone();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut object = &mut spec;
        for step in parent.split('/').filter(|step| !step.is_empty()) {
            object = match object {
                Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
                _ => object
                    .as_object_mut()
                    .unwrap()
                    .entry(step)
                    .or_insert_with(|| json!({})),
            };
        }
        match value {
            Value::Null => object.as_object_mut().unwrap().remove(name),
            value => object
                .as_object_mut()
                .unwrap()
                .insert(name.into(), value.clone()),
        };
    }
    spec
}

/// A JSON pointer into a spec, and the new value; null to remove.
pub type Change = (&'static str, Value);

/// Trainings that break one rule each: the change, and the path at which the local rule reports it.
pub fn broken_trainings() -> Vec<(Vec<Change>, &'static str)> {
    vec![
        (
            vec![("/model/headRescale", json!("0"))],
            "spec.model.headRescale",
        ),
        (
            vec![
                ("/model/headRescale", json!("2")),
                ("/initFrom/uri", json!("x")),
            ],
            "spec.model.headRescale",
        ),
        (
            vec![("/loss/temperature", json!("0.0"))],
            "spec.loss.temperature",
        ),
        (
            vec![("/loss/flops/schedule/initialRatio", json!("1.5"))],
            "spec.loss.flops.schedule.initialRatio",
        ),
        (
            vec![
                ("/loss/flops/documents", json!("All")),
                ("/loss/flops/negative", json!("1")),
            ],
            "spec.loss.flops.negative",
        ),
        (vec![("/loss/infoNce", json!("0"))], "spec.loss.infoNce"),
        (
            vec![("/loss/distillation", json!({}))],
            "spec.loss.distillation",
        ),
        (
            vec![("/loss/distillation", json!({"kl": "1", "temperature": "0"}))],
            "spec.loss.distillation.temperature",
        ),
        (
            vec![
                ("/loss/distillation/kl", json!("1")),
                ("/data/hardNegatives", json!(0)),
            ],
            "spec.loss.distillation",
        ),
        (
            vec![
                ("/loss/flops/negative", json!("1")),
                ("/data/hardNegatives", json!(0)),
            ],
            "spec.loss.flops.negative",
        ),
        (vec![("/optimizer/maxSteps", json!(5))], "spec.optimizer"),
        (vec![("/optimizer/epochs", Value::Null)], "spec.optimizer"),
        (
            vec![
                ("/optimizer/warmupSteps", json!(5)),
                ("/optimizer/warmupRatio", json!("0.1")),
            ],
            "spec.optimizer",
        ),
        (
            vec![("/optimizer/warmupRatio", json!("1.1"))],
            "spec.optimizer.warmupRatio",
        ),
        (
            vec![("/optimizer/learningRate", json!("0e5"))],
            "spec.optimizer.learningRate",
        ),
        (
            vec![("/optimizer/epsilon", json!("0"))],
            "spec.optimizer.epsilon",
        ),
        (
            vec![("/optimizer/beta1", json!("1"))],
            "spec.optimizer.beta1",
        ),
        (
            vec![("/optimizer/beta2", json!("1.0"))],
            "spec.optimizer.beta2",
        ),
        (
            vec![("/checkpoint/everySteps", Value::Null)],
            "spec.checkpoint",
        ),
        (
            vec![("/gang/scheduler/type", json!("Kueue"))],
            "spec.gang.scheduler",
        ),
        (
            vec![("/gang/scheduler/queueName", json!("q"))],
            "spec.gang.scheduler",
        ),
        (
            vec![("/gang/env", json!([{"name": "A"}]))],
            "spec.gang.env[0]",
        ),
        (
            vec![("/runPolicy/backoff", json!({"maxSeconds": 5}))],
            "spec.runPolicy.backoff",
        ),
        (vec![("/export", Value::Null)], "spec.benchmarks"),
        (
            vec![("/benchmarks/0/compareTo", json!("Hybrid"))],
            "spec.benchmarks[0].compareTo",
        ),
    ]
}

/// The same for benchmarks.
pub fn broken_benchmarks() -> Vec<(Vec<Change>, &'static str)> {
    vec![
        (vec![("/methods", json!(["Semantic"]))], "spec.semantic"),
        (
            vec![("/methods", json!(["Hybrid"]))],
            "spec.hybrid.weights.semantic",
        ),
        (vec![("/compareTo", json!("Semantic"))], "spec.compareTo"),
        (
            vec![("/hybrid/weights", json!({"semantic": "0"}))],
            "spec.hybrid.weights",
        ),
        (vec![("/bm25/b", json!("1.01"))], "spec.bm25.b"),
        (vec![("/sparse/pruning", json!("1"))], "spec.sparse.pruning"),
    ]
}

/// Changes of a training that must not be made once it may have begun.
pub fn forbidden_changes() -> Vec<Change> {
    vec![
        ("/loss/temperature", json!("0.5")),
        ("/optimizer/weightDecay", json!("0.5")),
        ("/model/base", json!("other")),
        ("/data/hardNegatives", json!(2)),
        ("/initFrom/uri", json!("x")),
        ("/checkpoint/uri", json!("x")),
        ("/gang/nodes", json!(2)),
    ]
}

/// Changes of a training that may be made at any time.
pub fn allowed_changes() -> Vec<Change> {
    vec![
        ("/runPolicy/suspend", json!(true)),
        ("/gang/image", json!("repository/image:2")),
    ]
}
