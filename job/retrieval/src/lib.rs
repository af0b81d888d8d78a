//! Lexical and exact sparse retrieval, and the judge that scores it.
//!
//! A benchmark reads a BEIR folder ([`beir`]), indexes its documents ([`bm25`], [`sparse`]), searches
//! all queries into a [`Run`], scores that run as trec_eval does ([`metrics`]) and prints the result
//! ([`report`]). [`run_file`] reads and writes runs as TREC files. All of them share one order of hits,
//! the one of trec_eval ([`ranking`]). The crate knows nothing of torch, Kubernetes or remote storage.

pub mod analyzer;
pub mod beir;
pub mod bm25;
pub mod metrics;
pub mod qrels;
pub mod ranking;
pub mod report;
pub mod run_file;
pub mod source;
pub mod sparse;
pub mod sparse_vector;

pub use analyzer::Analyzer;
pub use beir::{Dataset, Document, Query};
pub use bm25::{Bm25Index, Bm25Parameters};
pub use metrics::{Evaluation, Metric, Metrics, evaluate};
pub use qrels::Qrels;
pub use ranking::{DocumentIds, Hit, Ranking, Run};
pub use report::{BenchmarkReport, MethodResult};
pub use sparse::SparseIndex;
pub use sparse_vector::SparseVector;
