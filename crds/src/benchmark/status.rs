//! What the operator reports about a benchmark.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Analyzer, Method};
use crate::condition::DisplayState;
use crate::training::{ActiveDimensions, AttemptStatus, LastFailure, RestartCounts};

/// What the operator reports about a benchmark. Real numbers are strings; metrics go from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = crate::schema::structural)]
pub struct SpladeBenchmarkStatus {
    /// Generation of the spec that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Succeeded, Failed, Progressing, Scheduled, ResourcesReleased.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// One word for `kubectl get`, derived from the conditions; programs read the conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DisplayState>,
    /// The last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptStatus>,
    /// Restarts so far, by whose fault they were.
    pub restarts: RestartCounts,
    /// The last failure of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// Folder of the model that is measured, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub model_uri: Option<String>,
    /// Size of the data set as searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetStatus>,
    /// Results, one for each method and BM25 analyzer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub results: Vec<MethodStatus>,
    /// The primary metric of each method, as a percentage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<BenchmarkSummary>,
    /// The full report: all metrics of all queries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub report_uri: Option<String>,
    /// `sha256:` and the digest of the model's weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub model_digest: Option<String>,
    /// When the pod was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the benchmark ended, with or without success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
}

/// Size of the data set as searched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetStatus {
    /// Queries with judgments.
    pub queries: u64,
    /// Documents searched.
    pub documents: u64,
}

/// The primary metric of each method, as a percentage with one digit, for example `62.2%`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BenchmarkSummary {
    /// Of BM25, with the first analyzer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub bm25: Option<String>,
    /// Of the sparse model.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub sparse: Option<String>,
    /// Of the dense model.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub semantic: Option<String>,
    /// Of the fusion.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub hybrid: Option<String>,
}

/// Result of one method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MethodStatus {
    /// The method.
    pub method: Method,
    /// Analyzer, for BM25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzer: Option<Analyzer>,
    /// Share of queries with a relevant document at rank 1.
    #[schemars(length(max = 32))]
    pub success_at1: String,
    /// Share of queries with a relevant document among the first 5.
    #[schemars(length(max = 32))]
    pub success_at5: String,
    /// Share of queries with a relevant document among the first 10.
    #[schemars(length(max = 32))]
    pub success_at10: String,
    /// Share of relevant documents among the first 10.
    #[schemars(length(max = 32))]
    pub recall_at10: String,
    /// Share of relevant documents among the first 100.
    #[schemars(length(max = 32))]
    pub recall_at100: String,
    /// Mean reciprocal rank, first 10.
    #[schemars(length(max = 32))]
    pub mrr_at10: String,
    /// Normalised discounted cumulative gain, first 10.
    #[schemars(length(max = 32))]
    pub ndcg_at10: String,
    /// 95 % confidence interval of the primary metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_interval: Option<ConfidenceInterval>,
    /// Time to answer a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<LatencyStatus>,
    /// Mean number of non-zero weights, for the sparse model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_dimensions: Option<ActiveDimensions>,
}

/// An interval that holds the true value with a probability of 95 %.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfidenceInterval {
    /// Lower end.
    #[schemars(length(max = 32))]
    pub low: String,
    /// Upper end.
    #[schemars(length(max = 32))]
    pub high: String,
}

/// Time to answer a query, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatencyStatus {
    /// Median.
    #[schemars(length(max = 32))]
    pub p50: String,
    /// 95th percentile.
    #[schemars(length(max = 32))]
    pub p95: String,
    /// 99th percentile.
    #[schemars(length(max = 32))]
    pub p99: String,
}
