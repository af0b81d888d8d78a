//! Bad input ends with one clear error, the exit code of its class, and nothing lost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::workspace::{Recipe, Workspace};
use std::fs;
use std::path::Path;
use std::process::Output;

const EXPORT: &str = "  export: {uri: runs/small/export}\n";

struct Case<'a> {
    workspace: &'a Workspace,
    output: Output,
}

impl Case<'_> {
    fn fails(self, code: i32, parts: &[&str]) {
        let errors = String::from_utf8_lossy(&self.output.stderr).into_owned();
        assert_eq!(self.output.status.code(), Some(code), "{errors}");
        let report: String = errors
            .lines()
            .skip_while(|line| !line.starts_with("error: "))
            .collect::<Vec<_>>()
            .join("\n");
        for part in parts {
            assert!(report.contains(part), "{part:?} is not in: {report}");
        }
        let export = self.workspace.path().join("runs/small/export");
        assert!(!export.exists(), "nothing is left at {}", export.display());
    }
}

fn train<'a>(workspace: &'a Workspace, change: impl FnOnce(String) -> String) -> Case<'a> {
    let manifest = workspace.manifest(&Recipe {
        extra: EXPORT.into(),
        ..Recipe::default()
    });
    fs::write(&manifest, change(fs::read_to_string(&manifest).unwrap())).unwrap();
    let output = common::splade_job(&["run", "-f", manifest.to_str().unwrap()], workspace.path());
    Case { workspace, output }
}

fn with_triplets<'a>(workspace: &'a Workspace, lines: &[&str]) -> Case<'a> {
    fs::write(workspace.path().join("bad.jsonl"), lines.join("\n")).unwrap();
    train(workspace, |text| {
        text.replace("data/train.jsonl", "bad.jsonl")
    })
}

const GOOD: &str = r#"{"query": "물음", "positive": "대답", "negative": "딴말"}"#;

#[test]
fn triplets() {
    let workspace = Workspace::new();
    with_triplets(&workspace, &[GOOD, "{\"query\": "]).fails(65, &["bad.jsonl", "2", "JSON"]);
    with_triplets(&workspace, &[GOOD, GOOD, r#"{"query": "물음"}"#])
        .fails(65, &["bad.jsonl", "3", "positive", "missing"]);
    with_triplets(&workspace, &[r#"{"query": "  ", "positive": "대답"}"#])
        .fails(65, &["bad.jsonl", "1", "query", "empty"]);
    with_triplets(&workspace, &[r#"{"query": 7, "positive": "대답"}"#])
        .fails(65, &["bad.jsonl", "1", "query"]);
    with_triplets(&workspace, &[]).fails(65, &["bad.jsonl", "no triplet"]);
    train(&workspace, |text| {
        text.replace("data/train.jsonl", "nowhere/*.jsonl")
    })
    .fails(66, &["nowhere/*.jsonl"]);
}

#[test]
fn what_all_phases_need_is_looked_at_before_the_first_step() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path().join("mine")).unwrap();
    fs::write(workspace.path().join("mine/notes.txt"), "mine").unwrap();
    let add = |lines: &str| train(&workspace, |text| text + lines);
    let replace = |from: &str, to: &str| {
        train(&workspace, |text| {
            assert!(text.contains(from), "{from} in {text}");
            text.replace(from, to)
        })
    };
    let benchmark = |dataset: &str| {
        add(&format!(
            "  benchmarks: [{{name: heldout, dataset: {{name: quickstart, {dataset}}}, methods: [BM25]}}]\n"
        ))
    };
    benchmark("uri: nowhere").fails(
        66,
        &[
            "SpladeTraining small, spec.benchmarks[0].dataset.uri",
            "nowhere",
        ],
    );
    benchmark("uri: data, split: tst").fails(
        66,
        &["spec.benchmarks[0].dataset.split", "\"tst\"", "there is: "],
    );
    add("  evaluation: {everySteps: 2, dataset: {name: quickstart, uri: nowhere}}\n")
        .fails(66, &["spec.evaluation.dataset.uri", "nowhere"]);
    replace("base: model", "base: nomodel")
        .fails(66, &["spec.model.base", "there is no folder nomodel"]);
    replace("runs/small/export", "mine").fails(78, &["spec.export.uri", "no earlier export"]);
    for impossible in ["/proc/x", "/etc/passwd/x"] {
        replace("runs/small/export", impossible).fails(78, &["spec.export.uri", impossible]);
        replace("runs/small/checkpoints", impossible)
            .fails(78, &["spec.checkpoint.uri", impossible]);
    }
    let attempt = workspace.path().join("runs/small/checkpoints/attempt-0001");
    assert!(!attempt.exists(), "nothing was trained");
}

#[test]
fn teacher_scores_must_be_there_to_distil() {
    let workspace = Workspace::new();
    train(&workspace, |text| {
        text + "  loss: {distillation: {kl: \"1.0\"}}\n"
    })
    .fails(65, &["teacher scores", "negative_scores"]);
}

#[test]
fn manifests() {
    let workspace = Workspace::new();
    train(&workspace, |text| {
        text.replace("learningRate:", "learningrate:")
    })
    .fails(78, &["small.yaml: line 7", "learningrate", "learningRate"]);
    train(&workspace, |text| {
        text.replace("precision: FP32", "precision: FP64")
    })
    .fails(78, &["small.yaml: line 7", "precision", "BF16"]);
    train(&workspace, |text| {
        text.replace("base: model", "base: s3://bucket/model")
    })
    .fails(78, &["spec.model.base", "s3://bucket/model"]);
    let output = common::splade_job(&["run", "-f", "absent.yaml"], workspace.path());
    Case {
        workspace: &workspace,
        output,
    }
    .fails(66, &["absent.yaml"]);
    let output = common::splade_job(&["run"], workspace.path());
    assert_eq!(output.status.code(), Some(64));
}

fn damage(workspace: &Workspace, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let path = workspace.path().join("model").join(file);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, change(whole.clone())).unwrap();
    whole
}

fn restore(workspace: &Workspace, file: &str, whole: &[u8]) {
    fs::write(workspace.path().join("model").join(file), whole).unwrap();
}

fn text(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{from}");
    text.replace(from, to).into_bytes()
}

#[test]
fn models() {
    let workspace = Workspace::new();
    let run = |change: &dyn Fn()| {
        change();
        train(&workspace, |text| text)
    };
    let whole = damage(&workspace, "model.safetensors", |bytes| {
        bytes[..bytes.len() / 2].to_vec()
    });
    run(&|| ()).fails(65, &["model.safetensors", "not a whole safetensors file"]);
    restore(&workspace, "model.safetensors", &whole);
    damage(&workspace, "model.safetensors", |mut bytes| {
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        bytes
    });
    run(&|| ()).fails(65, &["NaN"]);
    restore(&workspace, "model.safetensors", &whole);
    let config = damage(&workspace, "config.json", |bytes| {
        text(bytes, "\"hidden_size\": 64", "\"hidden_size\": 96")
    });
    run(&|| ()).fails(65, &["tok_embeddings.weight", "[3000, 64]", "[3000, 96]"]);
    restore(&workspace, "config.json", &config);
    damage(&workspace, "config.json", |bytes| {
        text(bytes, "modernbert", "gpt2")
    });
    run(&|| ()).fails(65, &["config.json", "gpt2", "modernbert"]);
    restore(&workspace, "config.json", &config);
    let tokenizer = damage(&workspace, "tokenizer.json", |bytes| {
        text(bytes, "\"[UNK]\": 1,", "\"[UNK]\": 1, \"넘침\": 4000,")
    });
    run(&|| ()).fails(65, &["4000", "3000", "tokenizer"]);
    restore(&workspace, "tokenizer.json", &tokenizer);
    fs::remove_file(workspace.path().join("model/tokenizer.json")).unwrap();
    run(&|| ()).fails(66, &["tokenizer.json"]);
}

#[test]
fn a_run_that_cannot_learn_names_step_and_batch() {
    let workspace = Workspace::new();
    train(&workspace, |text| {
        text.replace("\"1e-3\"", "\"1e30\"")
            .replace("maxSteps: 6", "maxSteps: 50")
    })
    .fails(70, &["step ", "epoch 0", "batch"]);
    fs::remove_dir_all(workspace.path().join("runs")).unwrap();
    // A bias that no term survives: the vectors are empty from the first step.
    let weights = workspace.path().join("model/model.safetensors");
    let tensors: Vec<(String, tch::Tensor)> = tch::Tensor::read_safetensors(&weights)
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| {
            if name == "decoder.bias" {
                (name, tensor - 1e4)
            } else {
                (name, tensor)
            }
        })
        .collect();
    tch::Tensor::write_safetensors(&tensors, &weights).unwrap();
    train(&workspace, |text| text).fails(
        70,
        &[
            "step 3",
            "epoch 0",
            "batch 7",
            "none of the last 64 query texts has an active term",
        ],
    );
}

/// Runs a manifest where no file may grow beyond 100 KiB, which is what a full disk looks like to the writer.
fn on_a_full_disk<'a>(workspace: &'a Workspace, manifest: &Path) -> Case<'a> {
    let script = format!(
        "ulimit -f 100; trap '' XFSZ; exec {} run -f {}",
        env!("CARGO_BIN_EXE_splade-job"),
        manifest.display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(workspace.path())
        .output()
        .unwrap();
    Case { workspace, output }
}

#[test]
fn a_full_disk_loses_no_checkpoint_and_no_export_is_left_half_written() {
    let workspace = Workspace::new();
    let recipe = |max_steps, every_steps, extra: &str| Recipe {
        max_steps,
        every_steps,
        extra: extra.into(),
        ..Recipe::default()
    };
    // Stopped after a checkpoint by a failing one: steps are left, and the disk is full.
    let manifest = workspace.manifest(&recipe(400, 2, ""));
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_splade-job"))
        .args(["train", "-f", manifest.to_str().unwrap()])
        .current_dir(workspace.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let first = workspace.path().join("runs/small/checkpoints/attempt-0001");
    while !first.join("step-00000002/MANIFEST.json").exists() {
        assert!(run.try_wait().unwrap().is_none(), "it ended early");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let newest = workspace.newest_checkpoint("small");
    let before = fs::read(newest.join("model.safetensors")).unwrap();
    on_a_full_disk(&workspace, &manifest).fails(75, &["model.safetensors", "File too large"]);
    assert_eq!(workspace.newest_checkpoint("small"), newest);
    assert_eq!(fs::read(newest.join("model.safetensors")).unwrap(), before);
    let second = first.with_file_name("attempt-0002");
    let torn = fs::read_dir(&second).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("step-")
    });
    assert_eq!(torn.count(), 0, "nothing half-written keeps the disk full");

    fs::remove_dir_all(workspace.path().join("runs")).unwrap();
    let manifest = workspace.manifest(&recipe(4, 2, ""));
    workspace.job(&format!("train -f {}", manifest.display()));
    let with_export = workspace.manifest(&recipe(4, 2, EXPORT));
    on_a_full_disk(&workspace, &with_export).fails(75, &["export", "File too large"]);
    assert_no_leftovers(&workspace.path().join("runs/small"));
}

fn assert_no_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with(".export-"), "{name} is left behind");
    }
}
