//! Several ranks on one machine: what they learn together is what one rank learns alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::workspace::{Recipe, Workspace};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Output;

/// Triplets of one optimizer step over all ranks.
const BATCH: usize = 16;

/// Writes a manifest for so many ranks that share one batch, with these lines of `loss`.
fn manifest(workspace: &Workspace, name: &'static str, ranks: usize, loss: &str) -> PathBuf {
    let path = workspace.manifest(&Recipe {
        name,
        max_steps: 1,
        extra: format!("  loss: {loss}\n"),
        ..Recipe::default()
    });
    let text = fs::read_to_string(&path).unwrap();
    let batch = BATCH / ranks;
    let text = text
        .replace("devicesPerNode: 1", &format!("devicesPerNode: {ranks}"))
        .replace(
            "batchSizePerDevice: 8, gradientAccumulationSteps: 2",
            &format!(
                "batchSizePerDevice: {batch}, gradientAccumulationSteps: 1, gradientClip: \"0\""
            ),
        );
    fs::write(&path, text).unwrap();
    path
}

/// Triplets with no hard negative, one, two or three: ranks have different numbers of them.
fn make_ragged(workspace: &Workspace, manifest: &std::path::Path) {
    let lines = fs::read_to_string(workspace.path().join("data/train.jsonl")).unwrap();
    let ragged: Vec<String> = lines
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let mut triplet: serde_json::Value = serde_json::from_str(line).unwrap();
            let negatives = triplet["negatives"].as_array_mut().unwrap();
            negatives.truncate(index % 4);
            triplet.to_string()
        })
        .collect();
    fs::write(workspace.path().join("ragged.jsonl"), ragged.join("\n")).unwrap();
    let text = fs::read_to_string(manifest).unwrap();
    let text = text
        .replace("data/train.jsonl", "ragged.jsonl")
        .replace("hardNegatives: 1", "hardNegatives: 3");
    fs::write(manifest, text).unwrap();
}

fn launch(workspace: &Workspace, manifest: &std::path::Path) -> Output {
    let output = common::splade_job(
        &["launch", "-f", manifest.to_str().unwrap()],
        workspace.path(),
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    output
}

/// Gradients of the only step: after one update the first moment is a tenth of them.
fn gradients(workspace: &Workspace, name: &str) -> BTreeMap<String, Vec<f64>> {
    let file = workspace
        .newest_checkpoint(name)
        .join("optimizer-00000.safetensors");
    let bytes = fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    tensors
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| {
            let name = name.strip_prefix("first_moment.")?.to_owned();
            let values = view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| f64::from(f32::from_le_bytes(*bytes)) * 10.0)
                .collect();
            Some((name, values))
        })
        .collect()
}

/// The distance of a gradient from the expected one, relative to the norm of the expected one: of all parameters
/// together, and the largest of one parameter alone.
fn differences(
    expected: &BTreeMap<String, Vec<f64>>,
    got: &BTreeMap<String, Vec<f64>>,
) -> (f64, f64) {
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        got.keys().collect::<Vec<_>>()
    );
    let squares = |name: &String| {
        let (want, got) = (&expected[name], &got[name]);
        let apart: f64 = want.iter().zip(got).map(|(a, b)| (a - b).powi(2)).sum();
        (apart, want.iter().map(|value| value.powi(2)).sum::<f64>())
    };
    let all: Vec<(f64, f64)> = expected.keys().map(squares).collect();
    let relative = |apart: f64, size: f64| (apart / size.max(f64::MIN_POSITIVE)).sqrt();
    let whole = relative(
        all.iter().map(|(apart, _)| apart).sum(),
        all.iter().map(|(_, size)| size).sum(),
    );
    let worst = all.iter().map(|&(apart, size)| relative(apart, size));
    (whole, worst.fold(0.0, f64::max))
}

fn assert_ranks_agree(loss: &str) {
    let workspace = Workspace::new();
    let manifest = |workspace: &Workspace, name, ranks, loss: &str| {
        let path = manifest(workspace, name, ranks, loss);
        make_ragged(workspace, &path);
        path
    };
    launch(&workspace, &manifest(&workspace, "alone", 1, loss));
    let expected = gradients(&workspace, "alone");
    assert!(
        expected
            .values()
            .flatten()
            .any(|gradient| gradient.abs() > 1e-3),
        "there is something to compare"
    );
    for (name, ranks) in [("two", 2), ("four", 4)] {
        launch(&workspace, &manifest(&workspace, name, ranks, loss));
        let (whole, worst) = differences(&expected, &gradients(&workspace, name));
        println!("{name}: {whole:.1e} over all, {worst:.1e} at the worst parameter");
        // Sums in another order: f32 rounds a single small vector a little further apart than the whole.
        assert!(
            whole <= 1e-6,
            "{ranks} ranks: gradients differ by {whole:e}"
        );
        assert!(
            worst <= 1e-5,
            "{ranks} ranks: a parameter's gradient differs by {worst:e}"
        );
    }
}

#[test]
fn gathered_negatives_and_global_flops_give_the_gradients_of_one_rank() {
    assert_ranks_agree(
        "{flops: {query: \"0.05\", document: \"0.03\", negative: \"0.01\", scope: Global, schedule: {type: Constant}}, \
         negatives: {inBatch: AllColumns, crossRank: true}}",
    );
}

#[test]
fn gathered_positives_give_the_gradients_of_one_rank() {
    assert_ranks_agree(
        "{flops: {query: \"0.05\", document: \"0.03\", scope: Global, schedule: {type: Constant}}, \
         negatives: {inBatch: OwnHard, crossRank: true}}",
    );
}

#[test]
fn without_crossing_ranks_the_loss_is_another_one() {
    let loss = "{flops: {scope: Rank}, negatives: {crossRank: false}}";
    let workspace = Workspace::new();
    launch(&workspace, &manifest(&workspace, "alone", 1, loss));
    launch(&workspace, &manifest(&workspace, "two", 2, loss));
    let expected = gradients(&workspace, "alone");
    let (whole, _) = differences(&expected, &gradients(&workspace, "two"));
    assert!(whole > 1e-2, "fewer negatives, another gradient");
}

#[test]
fn after_100_steps_all_ranks_hold_the_same_weights() {
    let workspace = Workspace::new();
    let path = workspace.manifest(&Recipe {
        name: "hundred",
        max_steps: 100,
        every_steps: 1000,
        ..Recipe::default()
    });
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("devicesPerNode: 1", "devicesPerNode: 3");
    fs::write(
        &path,
        text.replace("batchSizePerDevice: 8", "batchSizePerDevice: 2"),
    )
    .unwrap();
    let output = launch(&workspace, &path);
    let lines = String::from_utf8(output.stderr).unwrap();
    let digests: Vec<(u64, String)> = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|line| {
            let digest = line["weights_digest"].as_str()?.to_owned();
            Some((line["rank"].as_u64()?, digest))
        })
        .collect();
    let mut ranks: Vec<u64> = digests.iter().map(|(rank, _)| *rank).collect();
    ranks.sort_unstable();
    assert_eq!(ranks, [0, 1, 2], "{lines}");
    assert!(digests.iter().all(|(_, digest)| *digest == digests[0].1));
}
