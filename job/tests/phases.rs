//! What a second start does when something has changed in between, and phases that build on one another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::workspace::{Recipe, Workspace};
use splade_crds::SpladeBenchmarkStatus;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const EXPORT: &str = "  export: {uri: runs/small/export}\n";
const BENCHMARK: &str = r#"  export: {uri: runs/small/export}
  benchmarks: [{name: heldout, dataset: {name: quickstart, uri: data}, methods: [Sparse]}]
"#;

fn manifest(workspace: &Workspace, extra: &str) -> PathBuf {
    workspace.manifest(&Recipe {
        extra: extra.into(),
        ..Recipe::default()
    })
}

fn change(manifest: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(manifest).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    fs::write(manifest, text.replace(from, to)).unwrap();
}

/// Runs a command that must fail; gives its exit code and its errors.
fn refused(workspace: &Workspace, arguments: &str) -> (i32, String) {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let output = common::splade_job(&arguments, workspace.path());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{errors}");
    (output.status.code().unwrap(), errors)
}

fn other_weights(workspace: &Workspace) {
    workspace.job(
        "init --text data/corpus.jsonl data/train.jsonl --out other --vocab-size 3000 --hidden-size 64 --seed 7",
    );
    fs::copy(
        workspace.path().join("other/model.safetensors"),
        workspace.path().join("model/model.safetensors"),
    )
    .unwrap();
}

#[test]
fn new_base_weights_are_another_run() {
    let workspace = Workspace::new();
    let run = format!("run -f {}", manifest(&workspace, EXPORT).display());
    workspace.job(&run);
    let export = workspace.path().join("runs/small/export/model.safetensors");
    let before = fs::read(&export).unwrap();
    other_weights(&workspace);
    let (code, errors) = refused(&workspace, &run);
    assert_eq!(code, 78, "{errors}");
    assert!(errors.contains("model.base"), "{errors}");
    fs::remove_dir_all(workspace.path().join("runs/small/checkpoints")).unwrap();
    workspace.job(&run);
    assert_ne!(
        fs::read(&export).unwrap(),
        before,
        "the new model was exported"
    );
}

#[test]
fn an_export_replaces_nothing_but_an_export() {
    let workspace = Workspace::new();
    let manifest = manifest(&workspace, EXPORT);
    let export = workspace.path().join("runs/small/export");
    fs::create_dir_all(&export).unwrap();
    fs::write(export.join("notes.txt"), "mine").unwrap();
    let (code, errors) = refused(&workspace, &format!("run -f {}", manifest.display()));
    assert_eq!(code, 78, "{errors}");
    assert!(errors.contains("no earlier export"), "{errors}");
    assert_eq!(fs::read(export.join("notes.txt")).unwrap(), b"mine");
    fs::remove_file(export.join("notes.txt")).unwrap();
    let run = format!("run -f {}", manifest.display());
    workspace.job(&run);
    change(&manifest, "export}", "export, dtype: BF16}");
    workspace.job(&run);
    let config = fs::read_to_string(export.join("config.json")).unwrap();
    assert!(config.contains("bfloat16"), "the old export was replaced");
    let left: Vec<_> = fs::read_dir(workspace.path().join("runs/small"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".export"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn exporting_never_trains() {
    let workspace = Workspace::new();
    let manifest = manifest(&workspace, EXPORT);
    change(&manifest, "everySteps: 2", "everySteps: 2, resume: Never");
    let export = format!("export -f {}", manifest.display());
    let (code, errors) = refused(&workspace, &export);
    assert_eq!(code, 66, "{errors}");
    assert!(errors.contains("the training is not over"), "{errors}");
    workspace.job(&format!("train -f {}", manifest.display()));
    workspace.job(&export);
    let checkpoints = workspace.path().join("runs/small/checkpoints");
    assert!(!checkpoints.join("attempt-0002").exists());
    assert!(
        workspace
            .path()
            .join("runs/small/export/model.safetensors")
            .exists()
    );
}

#[test]
fn a_benchmark_wants_the_export_of_this_very_recipe() {
    let workspace = Workspace::new();
    let manifest = manifest(&workspace, BENCHMARK);
    let benchmark = format!("benchmark -f {}", manifest.display());
    let (code, errors) = refused(&workspace, &benchmark);
    assert_eq!(code, 66, "{errors}");
    assert!(errors.contains("not exported"), "{errors}");
    workspace.job(&format!("run -f {}", manifest.display()));
    assert!(workspace.job(&benchmark).contains("success@1"));
    change(&manifest, "maxSteps: 6", "maxSteps: 8");
    let (code, errors) = refused(&workspace, &benchmark);
    assert_eq!(code, 66, "{errors}");
    assert!(errors.contains("another recipe"), "{errors}");
}

#[test]
fn a_float_of_the_recipe_comes_back_from_a_checkpoint_as_it_went() {
    let workspace = Workspace::new();
    let scored = fs::read_to_string(workspace.path().join("data/train.jsonl"))
        .unwrap()
        .lines()
        .take(64)
        .map(|line| {
            let mut triplet: serde_json::Value = serde_json::from_str(line).unwrap();
            triplet["positive_score"] = 1.0.into();
            let negatives = triplet["negatives"].as_array().map_or(1, Vec::len);
            triplet["negative_scores"] = vec![0.5; negatives].into();
            triplet.to_string()
        })
        .collect::<Vec<_>>();
    fs::write(workspace.path().join("scored.jsonl"), scored.join("\n")).unwrap();
    let manifest = manifest(
        &workspace,
        "  loss: {negatives: {teacherMargin: \"0.03\"}}\n",
    );
    change(&manifest, "data/train.jsonl", "scored.jsonl");
    let run = format!("run -f {}", manifest.display());
    workspace.job(&run);
    workspace.job(&run);
    change(&manifest, "scored.jsonl", "data/train.jsonl");
    fs::remove_dir_all(workspace.path().join("runs")).unwrap();
    let (code, errors) = refused(&workspace, &run);
    assert_eq!(code, 65, "{errors}");
    for part in [
        "loss.negatives.teacherMargin",
        "triplet 1 ",
        "negative_scores",
    ] {
        assert!(errors.contains(part), "{errors}");
    }
}

#[test]
fn batches_of_one_and_short_tails_train() {
    let workspace = Workspace::new();
    let lines = fs::read_to_string(workspace.path().join("data/train.jsonl")).unwrap();
    let few: Vec<&str> = lines.lines().take(9).collect();
    fs::write(workspace.path().join("few.jsonl"), few.join("\n")).unwrap();
    let manifest = manifest(&workspace, "");
    change(&manifest, "data/train.jsonl", "few.jsonl");
    change(&manifest, "maxSteps: 6", "epochs: 3");
    change(
        &manifest,
        "gradientAccumulationSteps: 2",
        "gradientAccumulationSteps: 3",
    );
    change(&manifest, "batchSizePerDevice: 8", "batchSizePerDevice: 4");
    workspace.job(&format!("train -f {}", manifest.display()));
    // Nine triplets are batches of 4, 4 and 1, which is one step an epoch.
    assert!(
        workspace
            .newest_checkpoint("small")
            .ends_with("step-00000003")
    );
    fs::remove_dir_all(workspace.path().join("runs")).unwrap();
    change(&manifest, "batchSizePerDevice: 4", "batchSizePerDevice: 1");
    workspace.job(&format!("train -f {}", manifest.display()));
    assert!(
        workspace
            .newest_checkpoint("small")
            .ends_with("step-00000009")
    );
}

#[test]
fn a_second_phase_starts_from_the_first_and_notices_when_that_changes() {
    let workspace = Workspace::new();
    let first = fs::read_to_string(workspace.manifest(&Recipe {
        name: "learn",
        max_steps: 2,
        ..Recipe::default()
    }))
    .unwrap();
    let second = fs::read_to_string(
        workspace.manifest(&Recipe {
            name: "compress",
            max_steps: 2,
            extra:
                "  initFrom: {trainingRef: {name: learn}}\n  loss: {flops: {document: \"0.5\"}}\n"
                    .into(),
            ..Recipe::default()
        }),
    )
    .unwrap()
    .replace(
        "train: [data/train.jsonl]",
        "train: [data/train.jsonl], validation: [validation.jsonl]",
    )
    .replace("precision: FP32", "precision: BF16");
    let triplets = fs::read_to_string(workspace.path().join("data/train.jsonl")).unwrap();
    let some: Vec<&str> = triplets.lines().take(20).collect();
    fs::write(workspace.path().join("validation.jsonl"), some.join("\n")).unwrap();
    let both = workspace.path().join("both.yaml");
    fs::write(&both, format!("{first}---\n{second}")).unwrap();
    let run = format!("run -f {}", both.display());
    workspace.job(&run);
    let log = fs::read_to_string(
        workspace
            .path()
            .join("runs/compress/checkpoints/attempt-0001/metrics.jsonl"),
    )
    .unwrap();
    assert!(log.contains("validation_loss"), "{log}");
    // The first step's rate is 0: what it measures is the model that the first phase left.
    let loss = |name: &str, index: usize| -> f64 {
        let path = format!("runs/{name}/checkpoints/attempt-0001/metrics.jsonl");
        let log = fs::read_to_string(workspace.path().join(path)).unwrap();
        let line: serde_json::Value =
            serde_json::from_str(log.lines().nth(index).unwrap()).unwrap();
        line["infonce"].as_f64().unwrap()
    };
    assert_ne!(
        loss("learn", 0),
        loss("compress", 0),
        "it does not start from the base model"
    );
    fs::remove_dir_all(workspace.path().join("runs/learn")).unwrap();
    change(
        &both,
        "\"1e-3\", batchSizePerDevice: 8, gradientAccumulationSteps: 2, precision: FP32",
        "\"2e-3\", batchSizePerDevice: 8, gradientAccumulationSteps: 2, precision: FP32",
    );
    let (code, errors) = refused(&workspace, &run);
    assert_eq!(code, 78, "{errors}");
    assert!(
        errors.contains("compress") && errors.contains("initFrom"),
        "{errors}"
    );
}

#[test]
fn keep_last_holds_over_all_attempts() {
    let workspace = Workspace::new();
    let manifest = manifest(&workspace, "");
    change(&manifest, "everySteps: 2", "everySteps: 1, keepLast: 2");
    let run = format!("train -f {}", manifest.display());
    workspace.job(&run);
    let steps = || {
        let pattern = workspace
            .path()
            .join("runs/small/checkpoints/attempt-*/step-*");
        let mut found: Vec<String> = glob::glob(pattern.to_str().unwrap())
            .unwrap()
            .map(|path| {
                let path = path.unwrap();
                let attempt = path.parent().unwrap().file_name().unwrap();
                format!(
                    "{}/{}",
                    attempt.to_str().unwrap(),
                    path.file_name().unwrap().to_str().unwrap()
                )
            })
            .collect();
        found.sort();
        found
    };
    assert_eq!(
        steps(),
        ["attempt-0001/step-00000005", "attempt-0001/step-00000006"]
    );
    // A torn last one, as a kill leaves it: the next attempt redoes the step and clears up.
    fs::remove_file(workspace.newest_checkpoint("small").join("MANIFEST.json")).unwrap();
    workspace.job(&run);
    assert_eq!(
        steps(),
        ["attempt-0001/step-00000005", "attempt-0002/step-00000006"]
    );
}

#[test]
fn training_does_not_ask_for_what_only_a_benchmark_needs() {
    let workspace = Workspace::new();
    let manifest = manifest(
        &workspace,
        &BENCHMARK.replace(
            "methods: [Sparse]",
            "methods: [BM25, Sparse], compareTo: BM25",
        ),
    );
    let (code, errors) = refused(&workspace, &format!("run -f {}", manifest.display()));
    assert_eq!(code, 78, "{errors}");
    assert!(errors.contains("compareTo"), "{errors}");
    workspace.job(&format!("train -f {}", manifest.display()));
    assert!(
        workspace
            .newest_checkpoint("small")
            .ends_with("step-00000006")
    );
    workspace.job(&format!("launch -f {}", manifest.display()));
}

/// By another implementation.
fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().to_owned()
}

/// The termination message that a command left in a file.
fn left_behind(workspace: &Workspace, name: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(workspace.path().join(name)).unwrap()).unwrap()
}

#[test]
fn a_pod_leaves_behind_what_it_made() {
    let workspace = Workspace::new();
    let manifest = manifest(&workspace, EXPORT);
    let export = format!(
        "export -f {} --termination-log export.json",
        manifest.display()
    );
    let (code, errors) = refused(&workspace, &export);
    let message = left_behind(&workspace, "export.json");
    assert_eq!(
        (message["outcome"].as_str(), message["exitCode"].as_i64()),
        (Some("Failed"), Some(code.into()))
    );
    assert!(
        errors.contains(message["error"]["message"].as_str().unwrap()),
        "{errors}"
    );

    workspace.job(&format!("train -f {}", manifest.display()));
    workspace.job(&export);
    let message = left_behind(&workspace, "export.json");
    let weights = workspace.path().join("runs/small/export/model.safetensors");
    let digest = format!("sha256:{}", sha256(&weights));
    assert_eq!(
        message,
        serde_json::json!({
            "outcome": "Succeeded", "exitCode": 0,
            "model": {"uri": "runs/small/export", "digest": digest},
        })
    );

    let benchmark = "apiVersion: neuralsparse.dev/v1alpha1\nkind: SpladeBenchmark\nmetadata: {name: alone}\nspec:\n  \
                     model: {uri: runs/small/export}\n  dataset: {name: quickstart, uri: data}\n  pod: {deviceResource: none}\n";
    fs::write(workspace.path().join("alone.yaml"), benchmark).unwrap();
    workspace.job("benchmark -f alone.yaml --termination-log benchmark.json");
    let message = left_behind(&workspace, "benchmark.json");
    let status: SpladeBenchmarkStatus =
        serde_json::from_value(message["benchmark"].clone()).unwrap();
    assert_eq!(status.model_digest, Some(digest));
    let report: serde_json::Value = serde_json::from_slice(
        &fs::read(workspace.path().join(status.report_uri.unwrap())).unwrap(),
    )
    .unwrap();
    let report = &report["report"];
    let sizes = status.dataset.unwrap();
    assert_eq!(report["queries"], sizes.queries);
    assert_eq!(report["documents"], sizes.documents);
    let results = report["results"].as_array().unwrap();
    assert_eq!(results.len(), status.results.len());
    for (full, kept) in results.iter().zip(&status.results) {
        let ndcg = full["metrics"]["ndcg_at_10"].as_f64().unwrap();
        assert_eq!(kept.ndcg_at10, format!("{ndcg:.4}"));
    }
    let sparse = results
        .iter()
        .find(|result| result["method"] == "sparse")
        .unwrap();
    let success = sparse["metrics"]["success_at_1"].as_f64().unwrap() * 100.0;
    assert_eq!(
        status.summary.unwrap().sparse,
        Some(format!("{success:.1}%"))
    );
}
