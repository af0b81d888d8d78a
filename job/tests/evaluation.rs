//! Retrieval evaluation while training, and gradient caching.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::workspace::{Recipe, Workspace};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn evaluation(rest: &str) -> String {
    format!(
        "  evaluation: {{everySteps: 4, metric: ndcg@10, dataset: {{name: quickstart, uri: data}}{rest}}}\n"
    )
}

/// Values of one name in the log of an attempt, by step.
fn logged(workspace: &Workspace, name: &str, measure: &str) -> Vec<(u64, f64)> {
    let log = workspace.path().join(format!(
        "runs/{name}/checkpoints/attempt-0001/metrics.jsonl"
    ));
    fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| Some((line["step"].as_u64()?, line[measure].as_f64()?)))
        .collect()
}

fn state(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("state.json")).unwrap()).unwrap()
}

#[test]
fn the_best_checkpoint_is_kept_and_exported() {
    let workspace = Workspace::new();
    // The rate rises all the way and is far too high at last: a later model is a worse one.
    let manifest = workspace.manifest(&Recipe {
        name: "best",
        max_steps: 24,
        every_steps: 100,
        extra: evaluation("") + "  export: {uri: runs/best/export}\n",
    });
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text
        .replace(
            "learningRate: \"1e-3\"",
            "learningRate: \"0.3\", warmupSteps: 24",
        )
        .replace("everySteps: 100", "everySteps: 100, keepLast: 1");
    fs::write(&manifest, text).unwrap();
    workspace.job(&format!("run -f {}", manifest.display()));
    let values = logged(&workspace, "best", "evaluation/ndcg@10");
    let steps: Vec<u64> = values.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [4, 8, 12, 16, 20, 24]);
    let best = values.iter().fold(
        (0, f64::MIN),
        |best, &value| if value.1 > best.1 { value } else { best },
    );
    assert!(best.0 < 24, "the run gets worse: {values:?}");
    let attempt = workspace.path().join("runs/best/checkpoints/attempt-0001");
    let kept = attempt.join(format!("step-{:08}", best.0));
    assert!(kept.join("MANIFEST.json").exists(), "beyond keepLast");
    assert_eq!(
        state(&attempt.join("step-00000024"))["standing"]["best"]["step"],
        best.0
    );
    // The benchmark of what was exported finds what the evaluation found.
    let export = workspace.path().join("runs/best/export");
    workspace.job(
        "benchmark --model runs/best/export --data data --methods sparse --json report.json --document-max-length 128",
    );
    let report = fs::read_to_string(workspace.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let exported = report["results"][0]["metrics"]["ndcg_at_10"]
        .as_f64()
        .unwrap();
    assert!((exported - best.1).abs() < 1e-4, "{exported} {best:?}");
    let provenance: Value =
        serde_json::from_slice(&fs::read(export.join("provenance.json")).unwrap()).unwrap();
    let manifest: Value =
        serde_json::from_slice(&fs::read(kept.join("MANIFEST.json")).unwrap()).unwrap();
    assert_eq!(
        provenance["weights_sha256"],
        manifest["files"]["model.safetensors"]["sha256"]
    );
    assert_eq!(provenance["state"]["step"], best.0);
}

#[test]
fn ranks_share_an_evaluation_and_find_the_same() {
    let workspace = Workspace::new();
    for (name, ranks, batch) in [("alone", 1, 8), ("shared", 3, 8)] {
        let manifest = workspace.manifest(&Recipe {
            name,
            max_steps: 1,
            every_steps: 100,
            extra: evaluation(""),
        });
        // One step at rate 0: all evaluate the model as it is.
        let text = fs::read_to_string(&manifest)
            .unwrap()
            .replace("devicesPerNode: 1", &format!("devicesPerNode: {ranks}"))
            .replace(
                "batchSizePerDevice: 8",
                &format!("batchSizePerDevice: {batch}"),
            );
        fs::write(&manifest, text).unwrap();
        workspace.job(&format!("launch -f {}", manifest.display()));
    }
    for metric in ["success@1", "recall@100", "mrr@10", "ndcg@10"] {
        let measure = format!("evaluation/{metric}");
        let (alone, shared) = (
            logged(&workspace, "alone", &measure),
            logged(&workspace, "shared", &measure),
        );
        assert_eq!(alone.len(), 1, "{measure}");
        assert!(
            (alone[0].1 - shared[0].1).abs() < 2e-3,
            "{measure}: {alone:?} {shared:?}"
        );
        assert!(alone[0].1 > 0.05, "{measure}: {alone:?}");
    }
}

#[test]
fn patience_ends_a_run_that_learns_no_more() {
    let workspace = Workspace::new();
    let manifest = workspace.manifest(&Recipe {
        name: "early",
        max_steps: 400,
        every_steps: 100,
        extra: evaluation(", patience: 2"),
    });
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text.replace(
        "learningRate: \"1e-3\"",
        "learningRate: \"1e-12\", warmupSteps: 0",
    );
    fs::write(&manifest, text).unwrap();
    let run = format!("run -f {}", manifest.display());
    workspace.job(&run);
    let steps: Vec<u64> = logged(&workspace, "early", "evaluation/ndcg@10")
        .iter()
        .map(|(step, _)| *step)
        .collect();
    assert_eq!(steps, [4, 8, 12], "the first one is the best one");
    workspace.job(&run);
    assert!(
        !workspace
            .path()
            .join("runs/early/checkpoints/attempt-0002")
            .exists(),
        "a run that ended early is over"
    );
}

#[test]
fn gradient_caching_gives_the_same_training() {
    let workspace = Workspace::new();
    let mut losses = Vec::new();
    for (name, caching) in [("whole", ""), ("pieces", ", gradientCachingTokens: 200")] {
        let manifest = workspace.manifest(&Recipe {
            name,
            max_steps: 8,
            ..Recipe::default()
        });
        let text = fs::read_to_string(&manifest).unwrap();
        let text = text.replace(
            "gradientAccumulationSteps: 2",
            &format!("gradientAccumulationSteps: 2{caching}"),
        );
        fs::write(&manifest, text).unwrap();
        workspace.job(&format!("train -f {}", manifest.display()));
        losses.push((
            logged(&workspace, name, "loss"),
            logged(&workspace, name, "gradient_norm"),
        ));
    }
    let (whole, pieces) = (&losses[0], &losses[1]);
    for (left, right) in [(&whole.0, &pieces.0), (&whole.1, &pieces.1)] {
        assert_eq!(left.len(), 8);
        for (a, b) in left.iter().zip(right) {
            assert!((a.1 - b.1).abs() <= 1e-4 * a.1.abs(), "{a:?} {b:?}");
        }
    }
}

#[test]
fn an_evaluation_that_is_made_up_for_at_a_resume_keeps_its_checkpoint() {
    let workspace = Workspace::new();
    let plain = Recipe {
        name: "later",
        max_steps: 8,
        every_steps: 4,
        ..Recipe::default()
    };
    // A run of 4 steps by its checkpoint; evaluation comes with the second start, and the model gets no better.
    let manifest = workspace.manifest(&plain);
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text.replace(
        "learningRate: \"1e-3\"",
        "learningRate: \"1e-12\", warmupSteps: 0",
    );
    fs::write(&manifest, &text).unwrap();
    workspace.job(&format!("train -f {}", manifest.display()));
    fs::remove_dir_all(
        workspace
            .path()
            .join("runs/later/checkpoints/attempt-0001/step-00000008"),
    )
    .unwrap();
    let text = text + &evaluation("") + "  export: {uri: runs/later/export}\n";
    fs::write(&manifest, text).unwrap();
    workspace.job(&format!("run -f {}", manifest.display()));
    let attempt = workspace.path().join("runs/later/checkpoints/attempt-0002");
    assert!(attempt.join("step-00000004/MANIFEST.json").exists());
    let best = &state(&attempt.join("step-00000008"))["standing"]["best"];
    assert_eq!((&best["step"], &best["attempt"]), (&4.into(), &2.into()));
    assert!(
        workspace
            .path()
            .join("runs/later/export/model.safetensors")
            .exists()
    );
}

#[test]
fn ranks_cache_gradients_together_whatever_each_has() {
    let workspace = Workspace::new();
    // Around the tokens of a rank's batch: one rank is above, the other below.
    let mut norms = Vec::new();
    for (name, caching) in [("plain", ""), ("cached", ", gradientCachingTokens: 330")] {
        let manifest = workspace.manifest(&Recipe {
            name,
            max_steps: 6,
            extra: "  loss: {negatives: {inBatch: AllColumns, crossRank: true}, flops: {scope: Global}}\n".into(),
            ..Recipe::default()
        });
        let text = fs::read_to_string(&manifest).unwrap();
        let text = text
            .replace("devicesPerNode: 1", "devicesPerNode: 2")
            .replace("batchSizePerDevice: 8", "batchSizePerDevice: 3")
            .replace(
                "gradientAccumulationSteps: 2",
                &format!("gradientAccumulationSteps: 2{caching}"),
            );
        fs::write(&manifest, text).unwrap();
        workspace.job(&format!("launch -f {}", manifest.display()));
        norms.push(logged(&workspace, name, "gradient_norm"));
    }
    assert_eq!(norms[0].len(), 6);
    for (plain, cached) in norms[0].iter().zip(&norms[1]) {
        assert!((plain.1 - cached.1).abs() <= 1e-4 * plain.1, "{norms:?}");
    }
}
