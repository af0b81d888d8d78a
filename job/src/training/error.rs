//! Why a training cannot start or go on.

use super::guard::Collapse;
use std::path::PathBuf;

/// A training that ends early.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The triplets.
    #[error(transparent)]
    Data(#[from] splade_data::DataError),
    /// The model.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::CheckpointError),
    /// The bridge.
    #[error(transparent)]
    Native(#[from] splade_native::NativeError),
    /// The evaluation.
    #[error(transparent)]
    Evaluation(#[from] super::evaluation::EvaluationError),
    /// The other ranks.
    #[error(transparent)]
    Gang(#[from] crate::distributed::GangError),
    /// Ranks that should hold the same weights do not.
    #[error(
        "rank {rank} ends step {step} with other weights than rank 0: its device or memory is faulty, or ranks run \
         different versions of splade-job"
    )]
    Diverged {
        /// The rank.
        rank: usize,
        /// Optimizer steps done.
        step: u64,
    },
    /// libtorch.
    #[error(transparent)]
    Torch(#[from] tch::TchError),
    /// The run can no longer learn.
    #[error(transparent)]
    Collapse(#[from] Collapse),
    /// A log cannot be written.
    #[error("{path}: {source}", path = path.display())]
    Log {
        /// Its folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The checkpoint belongs to another recipe or other data.
    #[error(
        "{checkpoint} was written by another run: {differences}. Give this run a checkpoint.uri of its own, \
         or undo the change to continue"
    )]
    OtherRun {
        /// The newest whole checkpoint.
        checkpoint: String,
        /// What differs.
        differences: String,
    },
    /// The checkpoint belongs to another gang.
    #[error(
        "{checkpoint} was written by another run: it ran on {then} ranks, this run has {now}, and its batches would be \
         others. Give this run a checkpoint.uri of its own, or {then} ranks"
    )]
    OtherRanks {
        /// The newest whole checkpoint.
        checkpoint: String,
        /// Ranks that wrote it.
        then: usize,
        /// Ranks of this run.
        now: usize,
    },
    /// The loss needs teacher scores that the data does not have.
    #[error(
        "{field} is set, but triplet {triplet} of the data (counted from 1 over all files) has no teacher scores: \
         add \"positive_score\" and \"negative_scores\" to every line, or remove {field}"
    )]
    NoTeacherScores {
        /// The field of the manifest.
        field: &'static str,
        /// Number of the triplet, from 1.
        triplet: usize,
    },
    /// A run of no steps, with no checkpoint of an earlier one.
    #[error(
        "the run has no step to take and no checkpoint: set optimizer.epochs or optimizer.maxSteps to at least 1"
    )]
    NothingSaved,
    /// The newest checkpoint of this run has vanished after it was stored or read.
    #[error(
        "the checkpoint of attempt {attempt}, step {step}, with which this run ended, is gone or damaged: another start \
         of the training, or somebody else, has removed it. The same command continues from the newest whole one"
    )]
    SavedGone {
        /// Start of the training that wrote it.
        attempt: u32,
        /// Optimizer steps behind it.
        step: u64,
    },
    /// The checkpoint that evaluations have selected is not whole any more.
    #[error(
        "the best checkpoint, attempt {attempt}, step {step}, is gone or damaged: put it back, or set \
         evaluation.selectBest: false to take the last one"
    )]
    BestGone {
        /// Start of the training that wrote it.
        attempt: u32,
        /// Optimizer steps behind it.
        step: u64,
    },
    /// `initFrom` names a training that has not finished.
    #[error("initFrom: there is no finished training in {checkpoints}; run that one first")]
    PhaseNotOver {
        /// Its checkpoints.
        checkpoints: String,
    },
    /// Sequence lengths that the model does not have.
    #[error("{field} is {asked}, but the model takes at most {most} tokens")]
    TooLong {
        /// Field of the manifest.
        field: &'static str,
        /// Its value.
        asked: usize,
        /// The model's limit.
        most: i64,
    },
}
