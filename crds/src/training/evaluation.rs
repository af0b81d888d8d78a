//! Retrieval evaluation during the training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::benchmark::DatasetSpec;
use crate::metric::Metric;

/// Retrieval evaluation during the training: the current model encodes a data set and searches it
/// exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvaluationSpec {
    /// Evaluate after so many optimizer steps, and at the end.
    #[schemars(range(min = 1))]
    pub every_steps: u32,
    /// The data set. Take a split that no benchmark reports on.
    pub dataset: DatasetSpec,
    /// The metric that is reported and compared.
    #[serde(default)]
    pub metric: Metric,
    /// Keep the checkpoint with the best metric and export that one instead of the last.
    #[serde(default = "select_best")]
    pub select_best: bool,
    /// End the training after so many evaluations in a row without a better metric. It goes on to
    /// its end without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub patience: Option<u32>,
}

fn select_best() -> bool {
    true
}
