//! Every field of a manifest that the job consumes changes what the job does, or is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use serde_json::{Value, json};
use splade_crds::manifest::parse;
use splade_crds::schema::{benchmark_spec, leaf_paths, training_spec};
use splade_crds::{BENCHMARK_OPERATOR_FIELDS, TRAINING_OPERATOR_FIELDS, read_by_operator_only};
use splade_job::pipeline::resolve;

/// Fields of parts that `splade-job` does not have yet. Each is either reached through another field that is refused
/// when it is set, or has nothing to act on in a single process.
const WITHOUT_EFFECT: [(&str, &str); 7] = [
    (
        "engine.embedded",
        "the only engine there is; the other one is refused",
    ),
    ("engine.openSearch", "refused as a whole"),
    ("evaluation", "refused as a whole"),
    ("export.formats[]", "there is one format"),
    ("hybrid", "reached through methods, where Hybrid is refused"),
    (
        "loss.flops.scope",
        "with one rank, Rank and Global are the same",
    ),
    (
        "loss.negatives.crossRank",
        "with one rank there is no other",
    ),
];

fn training() -> Value {
    json!({
        "apiVersion": "neuralsparse.dev/v1alpha1", "kind": "SpladeTraining", "metadata": {"name": "base"},
        "spec": {
            "model": {"base": "model"},
            "data": {"train": ["train.jsonl"]},
            "loss": {"distillation": {"kl": "1.0", "marginMse": "1.0"}, "flops": {}, "negatives": {}},
            "optimizer": {"epochs": 3},
            "checkpoint": {"uri": "checkpoints", "everySteps": 9},
            "gang": {},
            "export": {"uri": "export"},
            "telemetry": {},
            "benchmarks": [{"name": "one", "dataset": {"name": "set", "uri": "set"}, "methods": ["BM25", "Sparse"]}],
        },
    })
}

fn benchmark() -> Value {
    json!({
        "apiVersion": "neuralsparse.dev/v1alpha1", "kind": "SpladeBenchmark", "metadata": {"name": "base"},
        "spec": {"model": {"uri": "model"}, "dataset": {"name": "set", "uri": "set"}, "methods": ["BM25", "Sparse"]},
    })
}

/// For each field a value that is not its default.
fn benchmark_changes() -> Vec<(&'static str, Value)> {
    vec![
        ("bm25.analyzers[]", json!("Whitespace")),
        ("bm25.b", json!("0.5")),
        ("bm25.k1", json!("0.9")),
        ("compareTo", json!("BM25")),
        ("dataset.corpusLimit", json!(10)),
        ("dataset.format", json!("Miracl")),
        ("dataset.name", json!("other")),
        ("dataset.split", json!("dev")),
        ("dataset.uri", json!("elsewhere")),
        ("methods[]", json!("Sparse")),
        ("primaryMetric", json!("ndcg@10")),
        ("semantic.model", json!("dense")),
        ("sparse.pruning", json!("0.1")),
        ("sparse.queryTopK", json!(7)),
    ]
}

fn training_changes() -> Vec<(&'static str, Value)> {
    vec![
        ("benchmarks[].name", json!("two")),
        ("checkpoint.everyMinutes", json!(7)),
        ("checkpoint.everySteps", json!(77)),
        ("checkpoint.keepLast", json!(7)),
        ("checkpoint.resume", json!("Never")),
        ("checkpoint.uri", json!("elsewhere")),
        ("data.cache", json!("cache")),
        ("data.documentMaxLength", json!(99)),
        ("data.hardNegatives", json!(5)),
        ("data.queryMaxLength", json!(33)),
        ("data.train[]", json!("other.jsonl")),
        ("data.validation[]", json!("held-out.jsonl")),
        ("export.dtype", json!("BF16")),
        ("export.uri", json!("elsewhere")),
        ("gang.deviceResource", json!("none")),
        ("gang.devicesPerNode", json!(3)),
        ("gang.nodes", json!(3)),
        ("initFrom.trainingRef.name", json!("another")),
        ("initFrom.uri", json!("weights")),
        ("loss.distillation.kl", json!("0.7")),
        ("loss.distillation.marginMse", json!("0.7")),
        ("loss.distillation.temperature", json!("2.0")),
        ("loss.flops.document", json!("0.07")),
        ("loss.flops.documents", json!("All")),
        ("loss.flops.negative", json!("0.07")),
        ("loss.flops.query", json!("0.07")),
        ("loss.flops.schedule.initialRatio", json!("0.7")),
        ("loss.flops.schedule.type", json!("Linear")),
        ("loss.flops.schedule.warmupSteps", json!(7)),
        ("loss.infoNce", json!("0.7")),
        ("loss.negatives.inBatch", json!(["OwnHard", "AllColumns"])),
        ("loss.negatives.maskDuplicates", json!(false)),
        ("loss.negatives.teacherMargin", json!("0.7")),
        ("loss.temperature", json!("0.7")),
        ("model.base", json!("other")),
        ("model.headRescale", json!("16")),
        ("model.maskSpecialTokens", json!(false)),
        ("optimizer.batchSizePerDevice", json!(7)),
        ("optimizer.beta1", json!("0.7")),
        ("optimizer.beta2", json!("0.7")),
        ("optimizer.epochs", json!(7)),
        ("optimizer.epsilon", json!("1e-6")),
        ("optimizer.gradientAccumulationSteps", json!(7)),
        ("optimizer.gradientClip", json!("0.7")),
        ("optimizer.learningRate", json!("1e-3")),
        ("optimizer.maxSteps", json!(7)),
        ("optimizer.precision", json!(["BF16", "FP32"])),
        ("optimizer.schedule", json!("Linear")),
        ("optimizer.seed", json!(7)),
        ("optimizer.warmupRatio", json!("0.07")),
        ("optimizer.warmupSteps", json!(7)),
        ("optimizer.weightDecay", json!("0.7")),
        ("runPolicy.stallTimeoutSeconds", json!(77)),
        ("telemetry.logEverySteps", json!(7)),
        ("telemetry.otlpEndpoint", json!("http://collector:4317")),
        ("telemetry.tensorboard", json!("curves")),
    ]
}

/// What the job would do, or why it will not, as text.
fn effect(manifest: &Value) -> String {
    match parse(&manifest.to_string()) {
        Ok(resources) => format!("{:?}", resolve(&resources)),
        Err(errors) => format!("invalid: {errors:?}"),
    }
}

fn set(manifest: &mut Value, path: &str, value: Value) {
    let mut node = &mut manifest["spec"];
    let parts: Vec<&str> = path.split('.').collect();
    for (index, part) in parts.iter().enumerate() {
        let name = part.trim_end_matches("[]");
        let is_last = index + 1 == parts.len();
        let is_list = part.ends_with("[]");
        node = &mut node[name];
        if is_list && is_last {
            *node = json!([value]);
            return;
        }
        if is_list {
            node = &mut node[0];
        }
    }
    *node = value;
}

fn assert_effect(base: &Value, path: &str, value: &Value) {
    // A field with two values has a default among them: one of the two must change something.
    let candidates = value
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![value.clone()]);
    let before = effect(base);
    assert!(before.starts_with("Ok"), "{before}");
    let after: Vec<String> = candidates
        .into_iter()
        .map(|value| {
            let mut changed = base.clone();
            // Two that exclude each other.
            if path == "optimizer.maxSteps" {
                changed["spec"]["optimizer"]
                    .as_object_mut()
                    .unwrap()
                    .remove("epochs");
            }
            set(&mut changed, path, value);
            effect(&changed)
        })
        .collect();
    for after in &after {
        assert!(!after.starts_with("invalid"), "{path}: {after}");
    }
    assert!(
        after.iter().any(|after| *after != before),
        "nothing reads {path}"
    );
}

#[test]
fn every_field_is_read() {
    for (path, value) in training_changes() {
        assert_effect(&training(), path, &value);
    }
    for (path, value) in benchmark_changes() {
        assert_effect(&benchmark(), path, &value);
        assert_effect(&training(), &format!("benchmarks[].{path}"), &value);
    }
    assert_effect(&benchmark(), "model.uri", &json!("other"));
}

#[test]
fn no_field_is_forgotten() {
    let without_effect = |path: &str| {
        let path = path.strip_prefix("benchmarks[].").unwrap_or(path);
        WITHOUT_EFFECT.iter().any(|(field, reason)| {
            !reason.is_empty() && (path == *field || path.starts_with(&format!("{field}.")))
        })
    };
    let benchmark: Vec<&str> = benchmark_changes().iter().map(|(path, _)| *path).collect();
    let training: Vec<String> = training_changes()
        .iter()
        .map(|(path, _)| (*path).to_owned())
        .chain(benchmark.iter().map(|path| format!("benchmarks[].{path}")))
        .collect();
    for path in leaf_paths(&training_spec()) {
        let covered = training.contains(&path)
            || without_effect(&path)
            || read_by_operator_only(&path, TRAINING_OPERATOR_FIELDS);
        assert!(covered, "SpladeTraining.spec.{path} is covered by no test");
    }
    for path in leaf_paths(&benchmark_spec()) {
        let covered = benchmark.contains(&path.as_str())
            || path.starts_with("model.")
            || without_effect(&path)
            || read_by_operator_only(&path, BENCHMARK_OPERATOR_FIELDS);
        assert!(covered, "SpladeBenchmark.spec.{path} is covered by no test");
    }
}
