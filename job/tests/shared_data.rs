//! Checks on real Korean data that cannot be shipped: `make test-data SHARED=<folder>`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::parity::{Training, train_both};
use common::workspace::Workspace;
use std::fs;
use std::path::PathBuf;

fn shared(path: &str) -> PathBuf {
    let root = std::env::var("SPLADE_SHARED")
        .expect("SPLADE_SHARED is not set: run `make test-data SHARED=<folder>`");
    PathBuf::from(root).join(path).canonicalize().unwrap()
}

/// A full run of both on strategyqa-ko-facts ends within 0.01 nDCG@10 of one another.
#[test]
fn a_full_run_ends_where_sentence_transformers_ends() {
    let workspace = Workspace::new();
    let source = shared("data/strategyqa-ko-facts");
    // Whole batches, so that both sides see the same ones.
    let batch = 32;
    let text = fs::read_to_string(source.join("train.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let whole = lines.len() / batch * batch;
    let triplets = workspace.path().join("triplets.jsonl");
    fs::write(&triplets, lines[..whole].join("\n")).unwrap();
    // The tokenizer of the small model is learned from this data's own text.
    fs::remove_dir_all(workspace.path().join("model")).unwrap();
    workspace.job("init --text triplets.jsonl --out model --vocab-size 4000 --hidden-size 64");
    train_both(
        &workspace,
        &Training {
            triplets,
            steps: whole / batch,
            batch,
            learning_rate: "1e-3",
        },
    );
    let data = source.display();
    let ndcg = |model: &str| -> f64 {
        workspace.job(&format!("benchmark --model {model} --data {data} --methods sparse --document-max-length 128 --json scores.json"));
        let report: serde_json::Value =
            serde_json::from_slice(&fs::read(workspace.path().join("scores.json")).unwrap())
                .unwrap();
        report["results"][0]["metrics"]["ndcg_at_10"]
            .as_f64()
            .unwrap()
    };
    let (before, ours, theirs) = (
        ndcg("model"),
        ndcg("runs/parity/export"),
        ndcg("theirs/model"),
    );
    println!("nDCG@10: {before:.4} before, {ours:.4} here, {theirs:.4} there");
    assert!(
        (ours - theirs).abs() <= 0.01,
        "nDCG@10 is {ours:.4} here and {theirs:.4} there"
    );
    assert!(
        ours > before + 0.02,
        "the run learned nothing: {before:.4} before, {ours:.4} after"
    );
}
