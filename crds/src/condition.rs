//! Conditions and the state shown by `kubectl get`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The condition types that this project sets. `Succeeded` and `Failed` are terminal: once true
/// they stay true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionType {
    /// The work is done.
    Succeeded,
    /// The work has ended without success and will not be tried again.
    Failed,
    /// `runPolicy.suspend` holds the work back.
    Suspended,
    /// Reconciliation moves forward; false carries the error that holds it up.
    Progressing,
    /// Every pod of the current attempt has a node.
    Scheduled,
    /// At least one complete checkpoint exists.
    CheckpointAvailable,
    /// The model has been exported.
    Exported,
    /// Every benchmark has ended.
    Benchmarked,
    /// No pod of this object can still run.
    ResourcesReleased,
}

impl ConditionType {
    /// The value of a condition's `type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Scheduled => "Scheduled",
            Self::CheckpointAvailable => "CheckpointAvailable",
            Self::Exported => "Exported",
            Self::Benchmarked => "Benchmarked",
            Self::ResourcesReleased => "ResourcesReleased",
        }
    }
}

/// One word for the STATE column of `kubectl get`. Derived from the conditions for people to read;
/// programs must read the conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DisplayState {
    /// Accepted, no pod yet.
    Pending,
    /// Pods exist, but not all of them run.
    Starting,
    /// All pods run.
    Running,
    /// Between two attempts.
    Restarting,
    /// The export runs.
    Exporting,
    /// Benchmarks run.
    Benchmarking,
    /// Held back by `runPolicy.suspend`.
    Suspended,
    /// Done.
    Succeeded,
    /// Ended without success.
    Failed,
}
