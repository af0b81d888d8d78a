//! What `GET /progress` answers: `status.progress` of a SpladeTraining, with plain numbers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a training stands. What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProgressReport {
    /// Name of the resource.
    pub name: String,
    /// What is being done.
    pub phase: Phase,
    /// Start of the training, from 1.
    pub attempt: u32,
    /// Ranks that train together.
    pub world_size: u32,
    /// Current pass over the data, from 0.
    pub epoch: u64,
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps of the whole training.
    pub total_steps: u64,
    /// Loss, averaged since the last report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Parts of the loss and other measures by name, averaged since the last report.
    pub measures: BTreeMap<String, f64>,
    /// Mean number of non-zero weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_dimensions: Option<ActiveDimensions>,
    /// Training examples a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triplets_per_second: Option<f64>,
    /// Real tokens a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_second: Option<f64>,
    /// Model FLOP utilisation, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfu: Option<f64>,
    /// Seconds to the end at this pace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
    /// When the training is expected to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_completion_time: Option<Timestamp>,
    /// The newest complete checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointRecord>,
    /// The checkpoint that this attempt continued from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_from: Option<String>,
    /// The last evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<EvaluationRecord>,
    /// When the training last reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_reported: Option<Timestamp>,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Reading data, making shards, loading the model.
    #[default]
    Preparing,
    /// Optimizer steps.
    Training,
    /// Measuring the model between optimizer steps.
    Evaluating,
    /// Writing the model.
    Exporting,
    /// Measuring the exported model.
    Benchmarking,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 5] = [
        Self::Preparing,
        Self::Training,
        Self::Evaluating,
        Self::Exporting,
        Self::Benchmarking,
    ];

    /// Whether optimizer steps are due, so that their absence is a stall.
    pub fn is_stepping(self) -> bool {
        matches!(self, Self::Training | Self::Evaluating)
    }
}

/// Mean number of non-zero weights of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActiveDimensions {
    /// In queries.
    pub query: f64,
    /// In documents.
    pub document: f64,
}

/// A complete checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    /// Its folder.
    pub uri: String,
    /// Optimizer steps behind it.
    pub step: u64,
    /// When it was complete.
    pub time: Timestamp,
}

/// An evaluation, and the best so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationRecord {
    /// The metric by which checkpoints are compared.
    pub metric: String,
    /// Its last value.
    pub value: f64,
    /// Its best value so far.
    pub best: f64,
    /// Optimizer steps at the best value.
    pub best_step: u64,
}
