//! Training parity with sentence-transformers' `SpladeLoss`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::parity::{Training, train_both};
use common::workspace::Workspace;
use std::fs;

#[test]
fn fifty_steps_have_the_same_losses() {
    let workspace = Workspace::new();
    // The reference reads one negative a line.
    let text = fs::read_to_string(workspace.path().join("data/train.jsonl")).unwrap();
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let triplet: serde_json::Value = serde_json::from_str(line).unwrap();
            serde_json::json!({
                "query": triplet["query"], "positive": triplet["positive"], "negative": triplet["negatives"][0],
            })
            .to_string()
        })
        .collect();
    let triplets = workspace.path().join("triplets.jsonl");
    fs::write(&triplets, lines.join("\n")).unwrap();
    let losses = train_both(
        &workspace,
        &Training {
            triplets,
            steps: 50,
            batch: 16,
            learning_rate: "5e-4",
        },
    );
    assert_eq!((losses.ours.len(), losses.theirs.len()), (50, 50));
    for (step, (ours, theirs)) in losses.ours.iter().zip(&losses.theirs).enumerate() {
        let relative = (ours - theirs).abs() / theirs.abs();
        assert!(
            relative <= 1e-3,
            "step {}: {ours} here, {theirs} there: {relative:e} apart",
            step + 1
        );
    }
}
