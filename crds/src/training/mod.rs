//! `SpladeTraining`: one training run, from a base model to an exported and benchmarked one.

mod checkpoint;
mod data;
mod evaluation;
mod export;
mod gang;
mod loss;
mod model;
mod optimizer;
mod run_policy;
mod status;
mod telemetry;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::benchmark::TrainingBenchmark;
use crate::schema::cel;

pub use checkpoint::{CheckpointSpec, Resume};
pub use data::DataSpec;
pub use evaluation::EvaluationSpec;
pub use export::{ExportFormat, ExportSpec};
pub use gang::{GangSpec, SchedulerSpec, SchedulerType};
pub use loss::{
    DistillationSpec, FlopsDocuments, FlopsSchedule, FlopsScheduleType, FlopsScope, FlopsSpec,
    InBatchNegatives, LossSpec, NegativesSpec,
};
pub use model::{InitFrom, ModelSpec};
pub use optimizer::{
    LearningRateSchedule, OptimizerConflict, OptimizerSpec, Precision, TrainingLength, Warmup,
};
pub use run_policy::{BackoffSpec, RunPolicySpec};
pub use status::{
    ActiveDimensions, AttemptCause, AttemptStatus, CheckpointStatus, ExportStatus, LastFailure,
    ModelStatus, ProgressStatus, RestartCounts, SpladeTrainingStatus, TrainingBenchmarkStatus,
};
pub use telemetry::TelemetrySpec;

/// What to train, on which data, with which recipe, where, and what to do with the result.
///
/// Paths that do not begin with `s3://` are files; relative ones are relative to the working
/// directory of the process that reads them.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "neuralsparse.dev",
    version = "v1alpha1",
    kind = "SpladeTraining",
    plural = "spladetrainings",
    singular = "spladetraining",
    shortname = "spltrain",
    category = "splade",
    namespaced,
    selectable = ".status.state",
    status = "SpladeTrainingStatus",
    derive = "PartialEq",
    doc = "SpladeTraining trains a SPLADE model on a gang of pods, resumes by itself after a failure, exports the model and benchmarks it.",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state", description = "One word for people; programs read the conditions."),
    printcolumn(name = "Attempt", type_ = "integer", json_path = ".status.attempt", description = "Number of the current attempt.", priority = 1),
    printcolumn(name = "Step", type_ = "integer", json_path = ".status.progress.step", description = "Optimizer steps done."),
    printcolumn(name = "Total", type_ = "integer", json_path = ".status.progress.totalSteps", description = "Optimizer steps of the whole training."),
    printcolumn(name = "Loss", type_ = "string", json_path = ".status.progress.loss", description = "Training loss, averaged since the last report."),
    printcolumn(name = "ETA", type_ = "string", json_path = ".status.progress.estimatedCompletionTime", description = "When the training is expected to end."),
    printcolumn(name = "Checkpoint", type_ = "date", json_path = ".status.checkpoint.time", description = "Age of the newest complete checkpoint."),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Age of the object.", priority = 1),
    validation = kube::core::Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,34}[a-z0-9])?$')")
        .message("metadata.name must be lower-case letters, digits and '-', at most 36 characters: names of jobs, pods and benchmarks are made from it")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = crate::schema::structural, extend("x-kubernetes-validations" = cel(SPEC_RULES)))]
pub struct SpladeTrainingSpec {
    /// The model to start from.
    pub model: ModelSpec,
    /// Training data.
    pub data: DataSpec,
    /// What is minimised.
    #[serde(default)]
    pub loss: LossSpec,
    /// How it is minimised, and for how long.
    pub optimizer: OptimizerSpec,
    /// Weights to start from instead of those in `model.base`; chains phases of a recipe. Exactly
    /// one member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitFrom>,
    /// When and where the state is saved.
    pub checkpoint: CheckpointSpec,
    /// The pods that train together.
    #[serde(default)]
    pub gang: GangSpec,
    /// Restarts, deadlines and clean-up.
    #[serde(default)]
    pub run_policy: RunPolicySpec,
    /// Retrieval evaluation during the training; none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<EvaluationSpec>,
    /// Where the finished model goes; not exported without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<ExportSpec>,
    /// Benchmarks of the exported model: one SpladeBenchmark for each entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub benchmarks: Vec<TrainingBenchmark>,
    /// Logs, TensorBoard and traces.
    #[serde(default)]
    pub telemetry: TelemetrySpec,
}

/// Rules across sections, and what must not change once training may have begun. Suspension,
/// budgets, deadlines, telemetry and the pod settings of the gang stay open to change; they take
/// effect with the next attempt.
const SPEC_RULES: &[(&str, &str)] = &[
    (
        "self.model == oldSelf.model",
        "model is immutable: create another SpladeTraining",
    ),
    (
        "self.data == oldSelf.data",
        "data is immutable: create another SpladeTraining",
    ),
    (
        "self.loss == oldSelf.loss",
        "loss is immutable: create another SpladeTraining",
    ),
    (
        "self.optimizer == oldSelf.optimizer",
        "optimizer is immutable: create another SpladeTraining",
    ),
    (
        "has(self.initFrom) == has(oldSelf.initFrom) && (!has(self.initFrom) || self.initFrom == oldSelf.initFrom)",
        "initFrom is immutable: create another SpladeTraining",
    ),
    (
        "self.checkpoint.uri == oldSelf.checkpoint.uri",
        "checkpoint.uri is immutable: create another SpladeTraining",
    ),
    (
        "self.gang.nodes == oldSelf.gang.nodes && self.gang.devicesPerNode == oldSelf.gang.devicesPerNode",
        "gang.nodes and gang.devicesPerNode are immutable: they change the effective batch; create another SpladeTraining",
    ),
    (
        "!(has(self.initFrom) && has(self.model.headRescale))",
        "model.headRescale applies to the head of model.base and cannot be combined with initFrom",
    ),
    (
        "!has(self.benchmarks) || self.benchmarks.size() == 0 || has(self.export)",
        "benchmarks need an exported model: set export",
    ),
    (
        "self.data.hardNegatives > 0 || !has(self.loss.distillation)",
        "distillation learns from hard negatives: data.hardNegatives must be at least 1",
    ),
    (
        "self.data.hardNegatives > 0 || !has(self.loss.flops.negative)",
        "loss.flops.negative needs hard negatives: data.hardNegatives must be at least 1",
    ),
];
