//! What a training does, with every number resolved: the typed, plain form of a `SpladeTraining`.

use crate::losses::{CandidateRules, FlopsSchedule};
use crate::model::Precision;
use crate::optimizer::{AdamWSettings, Decay};
use serde::Serialize;
use splade_retrieval::Metric;
use splade_storage::Location;
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
    /// Where the checkpoints are.
    pub checkpoints: Location,
    /// Folder of this machine for what is on its way to or from there.
    pub scratch: PathBuf,
    /// How long storage may fail before the training does.
    pub storage_timeout: Duration,
    /// Without an optimizer step, or another sign of life, for so long a training counts as stalled.
    pub stall_timeout: Duration,
    /// How long ranks wait for one another: longer than a stall, which the launcher is to notice, and than storage may
    /// be away, for which rank 0 may wait at the end.
    pub gang_timeout: Duration,
    /// Optimizer steps between two checkpoints.
    pub every_steps: Option<u64>,
    /// Minutes between two checkpoints.
    pub every_minutes: Option<u64>,
    /// Checkpoints kept of one attempt.
    pub keep_last: usize,
    /// Continue from the newest checkpoint, if there is one.
    pub resume: bool,
    /// Optimizer steps between two log lines.
    pub log_every: u64,
    /// TensorBoard event files.
    pub tensorboard: Option<TensorBoard>,
    /// Retrieval evaluation while training.
    pub evaluation: Option<EvaluationPlan>,
    /// With gradient caching, the most tokens that go through the model at once.
    pub gradient_caching_tokens: Option<usize>,
}

/// Retrieval evaluation while training.
#[derive(Clone, Debug)]
pub struct EvaluationPlan {
    /// Name of the data set.
    pub dataset: String,
    /// A BEIR folder.
    pub folder: PathBuf,
    /// Which `qrels/<split>.tsv`.
    pub split: String,
    /// Optimizer steps between two evaluations; there is one more at the end.
    pub every_steps: u64,
    /// The metric that checkpoints are compared by.
    pub metric: Metric,
    /// The best checkpoint is the result of the training, instead of the last.
    pub select_best: bool,
    /// Evaluations in a row without a better metric that end the training.
    pub patience: Option<u32>,
}

impl EvaluationPlan {
    /// What its values are of: those of another subject do not compare.
    pub(super) fn subject(&self) -> String {
        format!("{} of {} ({})", self.metric, self.dataset, self.split)
    }
}

/// A file, folder or glob that a run reads: what the manifest calls it, and where it is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// As the manifest has it. Two runs have the same input when this is the same.
    pub uri: String,
    /// On this machine.
    pub path: PathBuf,
}

impl Serialize for Input {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.uri)
    }
}

/// Where TensorBoard event files go.
#[derive(Clone, Debug)]
pub struct TensorBoard {
    /// The folder of this machine in which they grow.
    pub folder: PathBuf,
    /// Where they are stored with every checkpoint, if not there.
    pub publish: Option<Location>,
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
    pub folder: Input,
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
    Folder(Input),
    /// The result of another training, which must be over, among its checkpoints.
    Checkpoints(#[serde(serialize_with = "location_text")] Location),
}

/// The triplets.
#[derive(Clone, Debug, Serialize)]
pub struct DataPlan {
    /// Globs of training files.
    pub train: Vec<Input>,
    /// Globs of validation files; empty for none.
    pub validation: Vec<Input>,
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
    /// The documents of all ranks are candidates, not only those of the query's own rank.
    pub cross_rank: bool,
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
    /// Over what the mean is taken.
    pub scope: FlopsScope,
    /// Course of the weights.
    pub schedule: FlopsSchedule,
}

/// Over what FLOPS takes its mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FlopsScope {
    /// The micro-batch of each rank by itself.
    Rank,
    /// The micro-batches of all ranks together.
    Global,
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

fn location_text<S: serde::Serializer>(
    location: &Location,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(location)
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
