//! One training by sentence-transformers and by `splade-job`, with the same weights, data, order and settings.

use super::workspace::Workspace;
use splade_data::DistributedSampler;
use std::fs;
use std::path::{Path, PathBuf};

/// What both sides train.
pub struct Training {
    /// Triplets as JSON lines with query, positive and negative.
    pub triplets: PathBuf,
    /// Optimizer steps.
    pub steps: usize,
    /// Triplets a step.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: &'static str,
}

/// Losses of each step: theirs, ours.
pub struct Losses {
    /// By sentence-transformers.
    pub theirs: Vec<f64>,
    /// By `splade-job`.
    pub ours: Vec<f64>,
}

/// Trains with both; models end in `theirs/model` and `runs/parity/export`.
pub fn train_both(workspace: &Workspace, training: &Training) -> Losses {
    let count = fs::read_to_string(&training.triplets)
        .unwrap()
        .lines()
        .count();
    let sampler = DistributedSampler::new(count, 1, 42).unwrap();
    let needed = training.steps * training.batch;
    // An epoch's last batch may be short; the reference takes whole batches, so only whole ones are compared.
    assert!(
        needed <= count || count.is_multiple_of(training.batch),
        "epochs must split into whole batches"
    );
    let order: Vec<String> = (0..)
        .flat_map(|epoch| sampler.epoch(epoch).slice(0, 0..count))
        .take(needed)
        .map(|index| index.to_string())
        .collect();
    let order_file = workspace.path().join("order.txt");
    fs::write(&order_file, order.join("\n")).unwrap();
    let theirs = workspace.path().join("theirs");
    let options = format!(
        "--steps={} --batch={} --lr={} --query-weight=0.05 --document-weight=0.03 --flops-warmup=10 --warmup=5 --document-length=128",
        training.steps, training.batch, training.learning_rate
    );
    let model = workspace.path().join("model");
    let mut arguments: Vec<&Path> = vec![&model, &training.triplets, &order_file, &theirs];
    arguments.extend(options.split(' ').map(Path::new));
    super::python("st_training.py", &arguments);
    let manifest = workspace.path().join("parity.yaml");
    fs::write(&manifest, manifest_text(training)).unwrap();
    workspace.job(&format!("run -f {}", manifest.display()));
    let result: serde_json::Value =
        serde_json::from_slice(&fs::read(theirs.join("losses.json")).unwrap()).unwrap();
    let log = fs::read_to_string(
        workspace
            .path()
            .join("runs/parity/checkpoints/attempt-0001/metrics.jsonl"),
    )
    .unwrap();
    Losses {
        theirs: result["losses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|loss| loss.as_f64().unwrap())
            .collect(),
        ours: log
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"]
                    .as_f64()
                    .unwrap()
            })
            .collect(),
    }
}

fn manifest_text(training: &Training) -> String {
    let Training {
        triplets,
        steps,
        batch,
        learning_rate,
    } = training;
    format!(
        r#"apiVersion: neuralsparse.dev/v1alpha1
kind: SpladeTraining
metadata: {{name: parity}}
spec:
  model: {{base: model, maskSpecialTokens: false}}
  data: {{train: ["{triplets}"], hardNegatives: 1, queryMaxLength: 64, documentMaxLength: 128}}
  loss:
    flops:
      query: "0.05"
      document: "0.03"
      documents: All
      schedule: {{type: Quadratic, warmupSteps: 10, initialRatio: "0"}}
    negatives: {{inBatch: AllColumns, maskDuplicates: false}}
  optimizer:
    maxSteps: {steps}
    learningRate: "{learning_rate}"
    weightDecay: "0.01"
    warmupSteps: 5
    gradientClip: "1.0"
    batchSizePerDevice: {batch}
    gradientAccumulationSteps: 1
    precision: FP32
    seed: 42
  gang: {{nodes: 1, devicesPerNode: 1, deviceResource: none}}
  checkpoint: {{uri: runs/parity/checkpoints, everySteps: 1000}}
  export: {{uri: runs/parity/export, dtype: FP32}}
  telemetry: {{logEverySteps: 1}}
"#,
        triplets = triplets.display()
    )
}
