//! The retrieval methods that a benchmark compares.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::schema::{below_one, cel, up_to_one};
use crate::storage_uri::StorageUri;

/// A retrieval method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Method {
    /// Lexical baseline.
    BM25,
    /// The sparse model of this benchmark.
    Sparse,
    /// A dense model, cosine similarity.
    Semantic,
    /// Fusion of the other methods' results.
    Hybrid,
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::BM25 => "BM25",
            Self::Sparse => "Sparse",
            Self::Semantic => "Semantic",
            Self::Hybrid => "Hybrid",
        })
    }
}

/// Okapi BM25 in Lucene's form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Bm25Spec {
    /// How text becomes terms: one row of results for each. The first is the one in the summary
    /// and in fusions.
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub analyzers: Vec<Analyzer>,
    /// Saturation of term frequency. The default is Lucene's, and so OpenSearch's.
    pub k1: Decimal,
    /// Strength of length normalisation, from 0 to 1. The default is Lucene's, and so OpenSearch's.
    #[schemars(extend("x-kubernetes-validations" = up_to_one()))]
    pub b: Decimal,
}

impl Default for Bm25Spec {
    fn default() -> Self {
        Self {
            analyzers: vec![Analyzer::Subword],
            k1: Decimal::constant("1.2"),
            b: Decimal::constant("0.75"),
        }
    }
}

/// How BM25 makes terms from text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Analyzer {
    /// Words between white space. Weak for Korean, whose words carry particles.
    Whitespace,
    /// Pairs of neighbouring characters, across words as well: white space is left out.
    CharacterBigram,
    /// The subwords of the sparse model's own tokenizer.
    Subword,
}

/// Settings of sparse retrieval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SparseSpec {
    /// Keep only so many of the heaviest terms of a query. All without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub query_top_k: Option<u32>,
    /// Drop the terms of a document that weigh less than this share of its heaviest term. At least
    /// 0 and below 1. None are dropped without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = below_one()))]
    pub pruning: Option<Decimal>,
}

/// The dense model to compare with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SemanticSpec {
    /// Hugging Face model folder of a dense encoder.
    pub model: StorageUri,
}

/// How results of several methods become one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HybridSpec {
    /// How scores are made comparable.
    pub fusion: Fusion,
    /// Weight of each method. At least two above 0.
    pub weights: HybridWeights,
}

/// How scores of several methods are made comparable and added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Fusion {
    /// Weighted sum of scores scaled to 0..1 between a query's lowest and highest hit.
    #[default]
    MinMax,
    /// Reciprocal rank fusion: weighted sum of 1 / (60 + rank)
    /// (Cormack et al. 2009).
    Rrf,
}

/// Weights of a fusion; "0" leaves a method out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = cel(&[(
    "[self.bm25, self.sparse, self.semantic].filter(weight, double(weight) > 0.0).size() >= 2",
    "at least two weights must be greater than 0",
)])))]
pub struct HybridWeights {
    /// Weight of BM25.
    pub bm25: Decimal,
    /// Weight of the sparse model.
    pub sparse: Decimal,
    /// Weight of the dense model.
    pub semantic: Decimal,
}

impl Default for HybridWeights {
    fn default() -> Self {
        Self {
            bm25: Decimal::constant("0"),
            sparse: Decimal::constant("0.3"),
            semantic: Decimal::constant("0.7"),
        }
    }
}
