//! Restarts, deadlines and clean-up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::cel;

/// Restarts, deadlines and clean-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RunPolicySpec {
    /// Hold the training back: running pods save a checkpoint and leave; false continues.
    pub suspend: bool,
    /// Restarts after failures of the program itself (exit code 70) before the training has failed.
    #[schemars(range(max = 1000))]
    pub max_restarts: u32,
    /// Restarts after failures of the infrastructure (lost node, eviction, stall, storage) before
    /// the training has failed.
    #[schemars(range(max = 10000))]
    pub infrastructure_restarts: u32,
    /// Pause before a restart.
    pub backoff: BackoffSpec,
    /// The training fails when it has not ended so many seconds after its start; time in suspension
    /// does not count. No limit without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub active_deadline_seconds: Option<u32>,
    /// An attempt ends as an infrastructure failure when its pods do not all run after so many
    /// seconds.
    #[schemars(range(min = 1))]
    pub startup_deadline_seconds: u32,
    /// An attempt ends as an infrastructure failure when no optimizer step has finished for so many
    /// seconds. Must exceed the time of the slowest step, evaluation and start.
    #[schemars(range(min = 1))]
    pub stall_timeout_seconds: u32,
    /// Seconds that pods have to save a checkpoint and leave when they are asked to.
    #[schemars(range(min = 1, max = 86400))]
    pub termination_timeout_seconds: u32,
    /// Delete this object so many seconds after it has ended. Kept without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds_after_finished: Option<u32>,
}

impl Default for RunPolicySpec {
    fn default() -> Self {
        Self {
            suspend: false,
            max_restarts: 3,
            infrastructure_restarts: 50,
            backoff: BackoffSpec::default(),
            active_deadline_seconds: None,
            startup_deadline_seconds: 3600,
            stall_timeout_seconds: 1800,
            termination_timeout_seconds: 300,
            ttl_seconds_after_finished: None,
        }
    }
}

/// Pause before a restart: initialSeconds, doubled with every restart in a row, up to maxSeconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = cel(&[(
    "self.initialSeconds <= self.maxSeconds",
    "initialSeconds must not exceed maxSeconds",
)])))]
pub struct BackoffSpec {
    /// Pause before the first restart, in seconds.
    #[schemars(range(max = 86400))]
    pub initial_seconds: u32,
    /// Longest pause, in seconds.
    #[schemars(range(max = 86400))]
    pub max_seconds: u32,
}

impl Default for BackoffSpec {
    fn default() -> Self {
        Self {
            initial_seconds: 10,
            max_seconds: 600,
        }
    }
}
