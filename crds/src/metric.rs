//! Retrieval metrics, by trec_eval's definitions.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A retrieval metric as trec_eval defines it: scores compared as 32-bit floats, equal scores
/// ordered by document id, descending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Metric {
    /// Share of queries with a relevant document at rank 1 (often printed as R@1).
    #[default]
    #[serde(rename = "success@1")]
    SuccessAt1,
    /// Share of queries with a relevant document among the first 5.
    #[serde(rename = "success@5")]
    SuccessAt5,
    /// Share of queries with a relevant document among the first 10.
    #[serde(rename = "success@10")]
    SuccessAt10,
    /// Share of the relevant documents found among the first 10.
    #[serde(rename = "recall@10")]
    RecallAt10,
    /// Share of the relevant documents found among the first 100.
    #[serde(rename = "recall@100")]
    RecallAt100,
    /// Mean reciprocal rank of the first relevant document among the first 10.
    #[serde(rename = "mrr@10")]
    MrrAt10,
    /// Normalised discounted cumulative gain of the first 10.
    #[serde(rename = "ndcg@10")]
    NdcgAt10,
}

impl Metric {
    /// The name as written in manifests and shown in tables, for example `success@1`.
    pub fn name(self) -> &'static str {
        match self {
            Self::SuccessAt1 => "success@1",
            Self::SuccessAt5 => "success@5",
            Self::SuccessAt10 => "success@10",
            Self::RecallAt10 => "recall@10",
            Self::RecallAt100 => "recall@100",
            Self::MrrAt10 => "mrr@10",
            Self::NdcgAt10 => "ndcg@10",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shown_name_is_the_written_name() {
        for metric in [
            Metric::SuccessAt1,
            Metric::SuccessAt5,
            Metric::SuccessAt10,
            Metric::RecallAt10,
            Metric::RecallAt100,
            Metric::MrrAt10,
            Metric::NdcgAt10,
        ] {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.to_string());
        }
    }
}
