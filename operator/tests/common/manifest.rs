//! Manifests.

use super::merge::merge;
use serde_json::{Value, json};
use splade_crds::{SpladeBenchmark, SpladeTraining};

/// A training of two nodes that exports and benchmarks, with these changes to its spec (merged).
pub fn training(changes: Value) -> SpladeTraining {
    let mut spec = json!({
        "model": {"base": "s3://models/base"},
        "data": {"train": ["s3://data/train.jsonl"]},
        "optimizer": {"epochs": 1},
        "checkpoint": {"uri": "s3://runs/tiny", "everySteps": 100},
        "gang": {"nodes": 2, "devicesPerNode": 8},
        "export": {"uri": "s3://models/tiny"},
        "benchmarks": [{"name": "strategy", "dataset": {"name": "S", "uri": "s3://data/s"}}],
    });
    merge(&mut spec, changes);
    serde_json::from_value(json!({
        "apiVersion": splade_crds::API_VERSION,
        "kind": "SpladeTraining",
        "metadata": {"name": "tiny", "namespace": "team", "uid": "training-uid", "generation": 1},
        "spec": spec,
    }))
    .unwrap()
}

/// A benchmark of a model, with these changes to its spec (merged).
pub fn benchmark(changes: Value) -> SpladeBenchmark {
    let mut spec = json!({
        "model": {"uri": "s3://models/tiny"},
        "dataset": {"name": "S", "uri": "s3://data/s"},
    });
    merge(&mut spec, changes);
    serde_json::from_value(json!({
        "apiVersion": splade_crds::API_VERSION,
        "kind": "SpladeBenchmark",
        "metadata": {"name": "row", "namespace": "team", "uid": "benchmark-uid", "generation": 1},
        "spec": spec,
    }))
    .unwrap()
}
