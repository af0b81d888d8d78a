//! The termination message: what the program in a pod says about how it ended.

use k8s_openapi::api::core::v1::ContainerStateTerminated;
use serde::Deserialize;
use splade_crds::SpladeBenchmarkStatus;

/// What a launcher, an export or a benchmark leaves behind. What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TerminationMessage {
    /// How it ended, in a word.
    pub outcome: Outcome,
    /// Optimizer steps done, as far as this pod knows.
    pub step: Option<u64>,
    /// Optimizer steps of the whole training, once known.
    pub total_steps: Option<u64>,
    /// The newest complete checkpoint.
    pub checkpoint: Option<String>,
    /// The checkpoint that the attempt continued from.
    pub resumed_from: Option<String>,
    /// What went wrong.
    pub error: Option<ErrorMessage>,
    /// The exported model.
    pub model: Option<ModelMessage>,
    /// What a benchmark measured.
    pub benchmark: Option<Box<SpladeBenchmarkStatus>>,
}

/// How it ended, in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Outcome {
    /// The work is done.
    Succeeded,
    /// It was asked to leave, and left.
    Interrupted,
    /// Nothing moved for too long.
    Stalled,
    /// The launcher of another node is gone.
    NodeLost,
    /// The program failed, or says nothing.
    #[default]
    #[serde(other)]
    Failed,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ErrorMessage {
    /// The rank, where it is one rank's failure.
    #[serde(default)]
    pub rank: Option<u32>,
    /// For a person.
    pub message: String,
}

/// An exported model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ModelMessage {
    /// Its folder.
    pub uri: String,
    /// `sha256:` and the digest of its weights.
    pub digest: String,
}

impl TerminationMessage {
    /// What a container said, unless it said nothing or something else than such a message.
    pub fn of(terminated: &ContainerStateTerminated) -> Option<Self> {
        serde_json::from_str(terminated.message.as_deref()?).ok()
    }
}
