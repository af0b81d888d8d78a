//! When and where the state of a training is saved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::cel;
use crate::storage_uri::StorageUri;

/// When and where the state of a training is saved. At least one of everySteps and everyMinutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = cel(&[(
    "has(self.everySteps) || has(self.everyMinutes)",
    "at least one of everySteps, everyMinutes must be set",
)])))]
pub struct CheckpointSpec {
    /// Folder for the checkpoints; each attempt writes below a folder of its own.
    pub uri: StorageUri,
    /// Save after so many optimizer steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub every_steps: Option<u32>,
    /// Save when so many minutes have passed since the last checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10080))]
    pub every_minutes: Option<u32>,
    /// Complete checkpoints to keep; older ones are deleted.
    #[serde(default = "keep_last")]
    #[schemars(range(min = 1, max = 1000))]
    pub keep_last: u32,
    /// Whether an attempt continues from the newest complete checkpoint.
    #[serde(default)]
    pub resume: Resume,
    /// How long storage may be away, in seconds. Training goes on meanwhile; when no checkpoint
    /// could be stored for longer, the attempt ends as an infrastructure failure.
    #[serde(default = "storage_timeout_seconds")]
    #[schemars(range(min = 1, max = 604800))]
    pub storage_timeout_seconds: u32,
}

fn storage_timeout_seconds() -> u32 {
    3600
}

fn keep_last() -> u32 {
    3
}

/// Whether an attempt continues where an earlier one stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Resume {
    /// Continue from the newest complete checkpoint, if there is one.
    #[default]
    Auto,
    /// Always start at step 0.
    Never,
}
