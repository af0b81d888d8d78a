//! What the operator reports about a training.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::benchmark::BenchmarkSummary;
use crate::condition::DisplayState;

/// What the operator reports about a training. Numbers of the training are those last reported by
/// rank 0; real numbers are strings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = crate::schema::structural)]
pub struct SpladeTrainingStatus {
    /// Generation of the spec that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Succeeded, Failed, Suspended, Progressing, Scheduled, CheckpointAvailable, Exported,
    /// Benchmarked, ResourcesReleased.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// One word for `kubectl get`, derived from the conditions; programs read the conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DisplayState>,
    /// Number of the current attempt, from 1; only ever grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The last attempts, newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 10),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["number"])
    )]
    pub attempts: Vec<AttemptStatus>,
    /// Restarts so far, by whose fault they were.
    pub restarts: RestartCounts,
    /// Where the training stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressStatus>,
    /// The newest complete checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointStatus>,
    /// Weights that the first attempt starts from, when `spec.initFrom` names a training.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub initial_weights: Option<String>,
    /// The export, once the training is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<ExportStatus>,
    /// The exported model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelStatus>,
    /// Results of the benchmarks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub benchmarks: Vec<TrainingBenchmarkStatus>,
    /// The last failure of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// When the first attempt was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Since when the clock of runPolicy.activeDeadlineSeconds stands still, because the training is suspended or
    /// waits in a queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_time: Option<Time>,
    /// Seconds that the clock has stood still before.
    #[serde(skip_serializing_if = "is_zero")]
    pub paused_seconds: u64,
    /// When the training ended, with or without success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
}

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// Why an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AttemptCause {
    /// All ranks finished.
    Completed,
    /// Bad arguments or configuration; not tried again.
    Configuration,
    /// Bad or missing data; not tried again.
    Data,
    /// The program failed; counts against runPolicy.maxRestarts.
    Application,
    /// Node, network, storage, eviction or stall; counts against
    /// runPolicy.infrastructureRestarts.
    Infrastructure,
    /// Held back by runPolicy.suspend; counts against nothing.
    Suspended,
    /// runPolicy.activeDeadlineSeconds have passed; not tried again.
    Deadline,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStatus {
    /// Number of the attempt, from 1.
    pub number: u32,
    /// Why it ended; not set while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<AttemptCause>,
    /// The cause in detail: one CamelCase word, for example OOMKilled or Preempted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub reason: Option<String>,
    /// Exit code of the first container that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Node of that container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node: Option<String>,
    /// When the attempt was created.
    pub start_time: Time,
    /// When all its pods ran first, since its queue last let them go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_time: Option<Time>,
    /// How often its queue took back its pods when all ran. They saved, and the attempt waited in its Job to go on; counts
    /// against nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub preemptions: u32,
    /// When it ended; its pods may take longer to leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Since when a pod cannot start because of its configuration, for example its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_time: Option<Time>,
    /// Uid of its Job, once it has been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub job_uid: Option<String>,
    /// Checkpoint that the attempt continued from; not set when it began at step 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub resumed_from: Option<String>,
    /// W3C trace context of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 55))]
    pub traceparent: Option<String>,
}

/// Restarts so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestartCounts {
    /// After failures of the program.
    pub application: u32,
    /// After failures of the infrastructure.
    pub infrastructure: u32,
}

/// Where a training stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressStatus {
    /// Number of the attempt that reported.
    pub attempt: u32,
    /// Current pass over the data, from 0; not set where rank 0 was never asked in this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps of the whole training.
    pub total_steps: u64,
    /// Loss, averaged since the last report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub loss: Option<String>,
    /// Mean number of non-zero weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_dimensions: Option<ActiveDimensions>,
    /// Training examples a second, all ranks together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub triplets_per_second: Option<String>,
    /// Model FLOP utilisation: share of the devices' peak arithmetic, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub mfu: Option<String>,
    /// When the training is expected to end; not set while no attempt runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_completion_time: Option<Time>,
    /// When the step last changed, or was not due because of an evaluation; a stall is counted from here.
    pub step_time: Time,
    /// When rank 0 last reported, or its pod ended.
    pub last_reported: Time,
}

/// Mean number of non-zero weights of a vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveDimensions {
    /// In queries.
    #[schemars(length(max = 32))]
    pub query: String,
    /// In documents.
    #[schemars(length(max = 32))]
    pub document: String,
}

/// A complete checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointStatus {
    /// Folder of the checkpoint.
    #[schemars(length(max = 1024))]
    pub uri: String,
    /// Optimizer steps done when it was saved.
    pub step: u64,
    /// When it was complete.
    pub time: Time,
}

/// The export of the finished model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportStatus {
    /// The last attempt at it.
    pub attempt: AttemptStatus,
    /// Restarts so far, by whose fault they were.
    #[serde(default)]
    pub restarts: RestartCounts,
}

/// An exported model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// Folder of the model.
    #[schemars(length(max = 1024))]
    pub uri: String,
    /// `sha256:` and the digest of the weights.
    #[schemars(length(max = 128))]
    pub digest: String,
}

/// Result of one benchmark of the training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingBenchmarkStatus {
    /// Name of the entry in spec.benchmarks.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Whether it has succeeded; not set until the benchmark has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<bool>,
    /// The primary metric of each method; not set unless the benchmark has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<BenchmarkSummary>,
}

/// The last failure of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// Number of the attempt.
    pub attempt: u32,
    /// Why it ended.
    pub cause: AttemptCause,
    /// Pod that failed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub pod_name: Option<String>,
    /// Node of that pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node: Option<String>,
    /// Container that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub container: Option<String>,
    /// Its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// One CamelCase word.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// What happened, from the container's termination message when there is one.
    #[schemars(length(max = 4096))]
    pub message: String,
    /// When it was seen.
    pub time: Time,
}
