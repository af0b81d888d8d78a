//! What a benchmark does, resolved: the plain form of a `SpladeBenchmark`.

use serde::Serialize;
use splade_retrieval::{Bm25Parameters, Metric};
use std::path::PathBuf;

/// A benchmark that can start.
#[derive(Clone, Debug)]
pub struct BenchmarkPlan {
    /// Name that the data set has in reports.
    pub dataset: String,
    /// A BEIR folder.
    pub folder: PathBuf,
    /// Which `qrels/<split>.tsv`.
    pub split: String,
    /// BM25, where it is asked for.
    pub bm25: Option<Bm25Plan>,
    /// The sparse model, where it is asked for.
    pub sparse: Option<SparsePlan>,
    /// Model folder whose tokenizer makes subwords and whose weights make sparse vectors.
    pub model: PathBuf,
    /// Special tokens are masked (models trained elsewhere that keep them).
    pub mask_special_tokens: bool,
    /// The metric that comparisons go by.
    pub primary_metric: Metric,
}

/// How text becomes terms for BM25.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Bm25Analyzer {
    /// Lower-cased words between white space.
    Whitespace,
    /// Pairs of neighbouring characters.
    CharacterBigram,
    /// The model's own subwords.
    Subword,
}

/// BM25 and its constants.
#[derive(Clone, Debug)]
pub struct Bm25Plan {
    /// One row of the result each.
    pub analyzers: Vec<Bm25Analyzer>,
    /// k1 and b.
    pub parameters: Bm25Parameters,
}

/// Sparse retrieval.
#[derive(Clone, Copy, Debug)]
pub struct SparsePlan {
    /// Longest query, in tokens.
    pub query_max_length: usize,
    /// Longest document, in tokens.
    pub document_max_length: usize,
    /// The strongest terms kept of a query.
    pub query_top_k: Option<usize>,
}
