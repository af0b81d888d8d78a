//! What a training does, with every number resolved: the typed, plain form of a `SpladeTraining`.

use crate::losses::{CandidateRules, FlopsSchedule};
use crate::model::Precision;
use crate::optimizer::{AdamWSettings, Decay};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// A training that can start.
#[derive(Clone, Debug, Serialize)]
pub struct TrainingPlan {
    /// Name of the resource.
    pub name: String,
    /// What determines the weights: a resumed run must agree on all of it.
    pub recipe: Recipe,
    /// Where things are kept and shown; free to change between starts.
    #[serde(skip)]
    pub surroundings: Surroundings,
}

/// Model, data, loss and optimizer.
#[derive(Clone, Debug, Serialize)]
pub struct Recipe {
    /// The model to start from.
    pub model: ModelPlan,
    /// The triplets.
    pub data: DataPlan,
    /// The loss.
    pub loss: LossPlan,
    /// The optimizer and the length of the run.
    pub optimizer: OptimizerPlan,
}

/// Folders, logging and checkpoints.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Folder of the token shards.
    pub shard_cache: PathBuf,
    /// Folder of the checkpoints.
    pub checkpoints: PathBuf,
    /// Optimizer steps between two checkpoints.
    pub every_steps: Option<u64>,
    /// Minutes between two checkpoints.
    pub every_minutes: Option<u64>,
    /// Checkpoints kept of one attempt.
    pub keep_last: usize,
    /// Continue from the newest checkpoint, if there is one.
    pub resume: bool,
    /// Without an optimizer step for so long the training counts as stalled.
    pub stall_after: Duration,
    /// Optimizer steps between two log lines.
    pub log_every: u64,
    /// Folder of TensorBoard event files.
    pub tensorboard: Option<PathBuf>,
}

/// How special tokens such as `[CLS]` and `[SEP]` take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SpecialTokenPolicy {
    /// Texts are encoded without them, and they are no terms. The exported tokenizer adds none either, so every
    /// software computes the same vectors.
    Omit,
    /// They count like any token, as the reference trains.
    Keep,
}

/// The model to start from.
#[derive(Clone, Debug, Serialize)]
pub struct ModelPlan {
    /// A Hugging Face folder.
    pub folder: PathBuf,
    /// Where the weights come from, if not from that folder.
    pub weights: Option<InitialWeights>,
    /// How special tokens take part.
    pub special_tokens: SpecialTokenPolicy,
    /// Divisor of all logits at the start.
    pub head_rescale: Option<f64>,
}

/// Weights that take the place of the base model's.
#[derive(Clone, Debug, Serialize)]
pub enum InitialWeights {
    /// A folder with `model.safetensors`.
    Folder(PathBuf),
    /// The newest checkpoint of another training, which must be over.
    Checkpoints(PathBuf),
}

/// The triplets.
#[derive(Clone, Debug, Serialize)]
pub struct DataPlan {
    /// Globs of training files.
    pub train: Vec<String>,
    /// Globs of validation files; empty for none.
    pub validation: Vec<String>,
    /// Longest query, in tokens.
    pub query_max_length: usize,
    /// Longest document, in tokens.
    pub document_max_length: usize,
    /// Hard negatives taken of each triplet at the most.
    pub hard_negatives: usize,
}

/// The loss.
#[derive(Clone, Debug, Serialize)]
pub struct LossPlan {
    /// Weight of InfoNCE.
    pub info_nce: f64,
    /// Divisor of the scores in InfoNCE.
    pub temperature: f64,
    /// The regulariser.
    pub flops: FlopsPlan,
    /// Which documents a query is scored against.
    pub candidates: CandidateRules,
    /// Learning from teacher scores.
    pub distillation: Option<DistillationPlan>,
}

impl LossPlan {
    /// The field of the manifest that cannot do without a teacher's scores, if there is one.
    pub(super) fn needs_teacher_scores(&self) -> Option<&'static str> {
        if self.distillation.is_some() {
            Some("loss.distillation")
        } else if self.candidates.teacher_margin.is_some() {
            Some("loss.negatives.teacherMargin")
        } else {
            None
        }
    }
}

/// The FLOPS regulariser.
#[derive(Clone, Debug, Serialize)]
pub struct FlopsPlan {
    /// Target weight on queries.
    pub query: f64,
    /// Target weight on documents.
    pub document: f64,
    /// Target weight on hard negatives by themselves.
    pub negative: Option<f64>,
    /// The document term averages over positives and hard negatives together.
    pub documents_with_negatives: bool,
    /// Course of the weights.
    pub schedule: FlopsSchedule,
}

/// Weights of the distillation losses.
#[derive(Clone, Debug, Serialize)]
pub struct DistillationPlan {
    /// Weight of MarginMSE.
    pub margin_mse: Option<f64>,
    /// Weight of the KL divergence.
    pub kl: Option<f64>,
    /// Temperature of the KL divergence.
    pub temperature: f64,
}

/// The optimizer and the length of the run.
#[derive(Clone, Debug, Serialize)]
pub struct OptimizerPlan {
    /// How long the run is.
    pub length: Length,
    /// Learning rate at the end of the warm-up.
    pub learning_rate: f64,
    /// Course of the learning rate.
    pub decay: Decay,
    /// Length of the warm-up.
    pub warmup: Warmup,
    /// AdamW's constants.
    pub adamw: AdamWSettings,
    /// Largest gradient norm.
    pub gradient_clip: Option<f64>,
    /// Triplets a device takes at once.
    pub batch_size: usize,
    /// Batches that one optimizer step sums over.
    pub accumulation: usize,
    /// Type of the matrix products.
    #[serde(serialize_with = "precision_name")]
    pub precision: Precision,
    /// Seed of the sampler.
    pub seed: u64,
}

/// Length of a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum Length {
    /// Passes over the data.
    Epochs(u64),
    /// Optimizer steps.
    Steps(u64),
}

/// Length of the learning rate's warm-up.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum Warmup {
    /// Share of all steps.
    Ratio(f64),
    /// Optimizer steps.
    Steps(u64),
}

fn precision_name<S: serde::Serializer>(
    precision: &Precision,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match precision {
        Precision::Float => "FP32",
        Precision::BFloat16 => "BF16",
    })
}
