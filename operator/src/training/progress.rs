//! What rank 0 answers to `GET /progress`.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

/// Where a training stands. What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProgressReport {
    /// What is being done.
    pub phase: Phase,
    /// Current pass over the data, from 0.
    pub epoch: u32,
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps of the whole training.
    pub total_steps: u64,
    /// Loss, averaged since the last report.
    pub loss: Option<f64>,
    /// Mean number of non-zero weights.
    pub active_dimensions: Option<ActiveDimensions>,
    /// Training examples a second.
    pub triplets_per_second: Option<f64>,
    /// Model FLOP utilisation, from 0 to 1.
    pub mfu: Option<f64>,
    /// When the training is expected to end.
    pub estimated_completion_time: Option<Timestamp>,
    /// The newest complete checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// The checkpoint that this attempt continued from.
    pub resumed_from: Option<String>,
    /// When the training last reported.
    pub last_reported: Option<Timestamp>,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Phase {
    /// Reading data, loading the model.
    #[default]
    Preparing,
    /// Optimizer steps.
    Training,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// Mean number of non-zero weights of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct ActiveDimensions {
    /// In queries.
    pub query: f64,
    /// In documents.
    pub document: f64,
}

/// A complete checkpoint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Checkpoint {
    /// Its folder.
    pub uri: String,
    /// Optimizer steps behind it.
    pub step: u64,
    /// When it was complete.
    pub time: Timestamp,
}
