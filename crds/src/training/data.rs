//! Training data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::storage_uri::StorageUri;

/// Training data: JSON lines of a query, a positive document and hard negatives.
///
/// A line is `{"query", "positive", "negative"}` or `{"query", "positive", "negatives": [...]}`, with
/// teacher scores as `"scores": [positive, negatives...]` when the loss distils.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataSpec {
    /// Files to train on: paths or globs (`s3://bucket/data/train-*.jsonl.zst`), plain, `.gz` or
    /// `.zst`. A glob that matches nothing is an error.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub train: Vec<StorageUri>,
    /// Files on which the loss is reported without training on them; none without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub validation: Vec<StorageUri>,
    /// Longest query, in tokens including special tokens; the rest is cut off.
    #[serde(default = "query_max_length")]
    #[schemars(range(min = 3, max = 8192))]
    pub query_max_length: u32,
    /// Longest document, in tokens including special tokens; the rest is cut off.
    #[serde(default = "document_max_length")]
    #[schemars(range(min = 3, max = 8192))]
    pub document_max_length: u32,
    /// Hard negatives used for each query, the first ones of a line. A line may have fewer.
    #[serde(default = "hard_negatives")]
    #[schemars(range(max = 64))]
    pub hard_negatives: u32,
    /// Local folder for the token shards that are made from the files on first use and reused while
    /// nothing changes. Without it they lie below `checkpoint.uri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<StorageUri>,
}

fn query_max_length() -> u32 {
    64
}

fn document_max_length() -> u32 {
    256
}

fn hard_negatives() -> u32 {
    1
}
