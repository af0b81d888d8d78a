//! `SpladeBenchmark`: one model on one data set, one row of the leaderboard.

mod engine;
mod methods;
mod spec;
mod status;

pub use engine::{EmbeddedEngine, Engine, OpenSearchEngine, SparseField};
pub use methods::{
    Analyzer, Bm25Spec, Fusion, HybridSpec, HybridWeights, Method, SemanticSpec, SparseSpec,
};
pub use spec::{
    BenchmarkModel, BenchmarkPlan, BenchmarkPodSpec, DatasetFormat, DatasetSpec, SpladeBenchmark,
    SpladeBenchmarkSpec, TrainingBenchmark,
};
pub use status::{
    BenchmarkSummary, ConfidenceInterval, DatasetStatus, LatencyStatus, MethodStatus,
    SpladeBenchmarkStatus,
};
