//! Benchmarks: what a model finds in a data set, beside BM25 on the same documents.

mod plan;
mod runner;

pub use plan::{BenchmarkPlan, Bm25Analyzer, Bm25Plan, SparsePlan};
pub use runner::{BenchmarkError, run_benchmark};
