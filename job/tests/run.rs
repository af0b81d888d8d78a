//! `splade-job run` from a manifest to scores, stopped and started again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::workspace::{Recipe, Workspace};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const WITH_EXPORT: &str = r#"  export: {uri: runs/small/export}
  benchmarks:
    - name: heldout
      dataset: {name: quickstart, uri: data}
      methods: [BM25, Sparse]
      bm25: {analyzers: [Subword, CharacterBigram]}
"#;

/// Steps of a run that is stopped half-way: enough to be far from over when the first checkpoint appears.
const STEPS: u32 = 40;

fn start(workspace: &Workspace, manifest: &Path) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_splade-job"))
        .args(["run", "-f"])
        .arg(manifest)
        .current_dir(workspace.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until this attempt of a run has written a checkpoint.
fn wait_for_checkpoint(workspace: &Workspace, attempt: &str) {
    let pattern = workspace
        .path()
        .join(format!("runs/{attempt}/step-*/MANIFEST.json"));
    let deadline = Instant::now() + Duration::from_secs(300);
    while glob::glob(pattern.to_str().unwrap())
        .unwrap()
        .next()
        .is_none()
    {
        assert!(Instant::now() < deadline, "no checkpoint appears");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_phase_runs_once() {
    let workspace = Workspace::new();
    let manifest = workspace.manifest(&Recipe {
        extra: WITH_EXPORT.into(),
        ..Recipe::default()
    });
    let command = format!("run -f {}", manifest.display());
    let first = workspace.job(&command);
    for expected in ["small-heldout", "success@1", "character-bigram", "NAME"] {
        assert!(first.contains(expected), "{expected} in {first}");
    }
    let export = workspace.path().join("runs/small/export");
    let card = fs::read_to_string(export.join("README.md")).unwrap();
    assert!(
        card.contains("## Scores") && card.contains("data fingerprint"),
        "{card}"
    );
    let stamp = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let files = [
        export.join("model.safetensors"),
        export.join("benchmarks/small-heldout.json"),
    ];
    let before: Vec<_> = files.iter().map(|file| stamp(file)).collect();
    let second = workspace.job(&command);
    assert_eq!(first, second);
    assert_eq!(
        before,
        files.iter().map(|file| stamp(file)).collect::<Vec<_>>()
    );
    assert!(
        !workspace
            .path()
            .join("runs/small/checkpoints/attempt-0002")
            .exists(),
        "nothing was trained again"
    );
}

#[test]
fn sigterm_saves_and_the_same_command_continues() {
    let workspace = Workspace::new();
    let straight = workspace.manifest(&Recipe {
        max_steps: STEPS,
        name: "straight",
        ..Recipe::default()
    });
    workspace.job(&format!("run -f {}", straight.display()));
    let stopped = workspace.manifest(&Recipe {
        max_steps: STEPS,
        every_steps: 1,
        name: "stopped",
        ..Recipe::default()
    });
    let mut run = start(&workspace, &stopped);
    wait_for_checkpoint(&workspace, "stopped/checkpoints/attempt-0001");
    // SIGTERM, as Kubernetes sends it.
    assert!(
        Command::new("kill")
            .args(["-TERM", &run.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(run.wait().unwrap().code(), Some(75));
    workspace.job(&format!("run -f {}", stopped.display()));
    assert_same_weights(&workspace, "straight", "stopped");
}

#[test]
fn kill_9_loses_nothing_but_the_steps_since_the_checkpoint() {
    let workspace = Workspace::new();
    let straight = workspace.manifest(&Recipe {
        max_steps: STEPS,
        name: "straight",
        ..Recipe::default()
    });
    workspace.job(&format!("run -f {}", straight.display()));
    let killed = workspace.manifest(&Recipe {
        max_steps: STEPS,
        every_steps: 1,
        name: "killed",
        ..Recipe::default()
    });
    for attempt in 1..=2 {
        let mut run = start(&workspace, &killed);
        wait_for_checkpoint(
            &workspace,
            &format!("killed/checkpoints/attempt-{attempt:04}"),
        );
        run.kill().unwrap();
        assert_eq!(
            run.wait().unwrap().signal(),
            Some(9),
            "it was still running"
        );
        let newest = workspace.newest_checkpoint("killed");
        assert!(
            !newest.ends_with(format!("step-{STEPS:08}")),
            "steps were left"
        );
    }
    workspace.job(&format!("run -f {}", killed.display()));
    assert_same_weights(&workspace, "straight", "killed");
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let workspace = Workspace::new();
    let manifest = workspace.manifest(&Recipe {
        max_steps: 6,
        every_steps: 1,
        ..Recipe::default()
    });
    let command = format!("run -f {}", manifest.display());
    workspace.job(&command);
    let newest = workspace.newest_checkpoint("small");
    let whole = fs::read(newest.join("model.safetensors")).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(newest.join("model.safetensors"), &damaged).unwrap();
    let output = common::splade_job(&["run", "-f", manifest.to_str().unwrap()], workspace.path());
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not whole"));
    assert_eq!(
        fs::read(
            workspace
                .newest_checkpoint("small")
                .join("model.safetensors")
        )
        .unwrap()
        .len(),
        whole.len()
    );
    let again = workspace.path().join("runs/small/checkpoints/attempt-0002");
    let resumed = glob::glob(
        again
            .join("step-00000006/model.safetensors")
            .to_str()
            .unwrap(),
    )
    .unwrap()
    .next()
    .unwrap()
    .unwrap();
    assert_eq!(
        fs::read(resumed).unwrap(),
        whole,
        "the last step was done again, to the same bytes"
    );
}

#[test]
fn another_recipe_does_not_continue_a_run() {
    let workspace = Workspace::new();
    let manifest = workspace.manifest(&Recipe::default());
    workspace.job(&format!("run -f {}", manifest.display()));
    let changed = fs::read_to_string(&manifest)
        .unwrap()
        .replace("\"1e-3\"", "\"2e-3\"");
    fs::write(&manifest, changed).unwrap();
    let output = common::splade_job(&["run", "-f", manifest.to_str().unwrap()], workspace.path());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{errors}");
    assert!(
        errors.contains("optimizer.learning_rate was 0.001, now it is 0.002"),
        "{errors}"
    );
}

#[test]
fn tensorboard_reads_every_scalar() {
    let workspace = Workspace::new();
    let manifest = workspace.manifest(&Recipe::default());
    workspace.job(&format!("train -f {}", manifest.display()));
    let printed = common::python(
        "tensorboard_check.py",
        &[&workspace.path().join("runs/small/tensorboard")],
    );
    let scalars: serde_json::Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    let log = glob::glob(
        workspace
            .path()
            .join("runs/small/checkpoints/attempt-0001/metrics.jsonl")
            .to_str()
            .unwrap(),
    );
    let log = fs::read_to_string(log.unwrap().next().unwrap().unwrap()).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 6);
    for tag in [
        "loss",
        "infonce",
        "flops_query",
        "active_dimensions_document",
        "learning_rate",
        "mfu",
        "tokens_per_second",
    ] {
        let points = scalars[tag]
            .as_array()
            .unwrap_or_else(|| panic!("{tag} is missing"));
        for (point, line) in points.iter().zip(&lines) {
            assert_eq!(point[0], line["step"]);
            let (seen, logged) = (point[1].as_f64().unwrap(), line[tag].as_f64().unwrap());
            assert!(
                (seen - logged).abs() <= 1e-6 * logged.abs(),
                "{tag}: {seen} {logged}"
            );
        }
        assert_eq!(points.len(), lines.len(), "{tag}");
    }
}

fn assert_same_weights(workspace: &Workspace, left: &str, right: &str) {
    for file in ["model.safetensors", "optimizer-00000.safetensors"] {
        let bytes = |name| fs::read(workspace.newest_checkpoint(name).join(file)).unwrap();
        assert!(
            bytes(left) == bytes(right),
            "{file} differs between {left} and {right}"
        );
    }
}
