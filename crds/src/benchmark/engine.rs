//! What answers the queries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::LocalReference;
use crate::schema::union;

/// What answers the queries; exactly one member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = union)]
pub enum Engine {
    /// Exact search in memory, inside the benchmark itself.
    Embedded(EmbeddedEngine),
    /// An OpenSearch cluster: the corpus is indexed there first.
    OpenSearch(OpenSearchEngine),
}

impl Default for Engine {
    fn default() -> Self {
        Self::Embedded(EmbeddedEngine {})
    }
}

/// Exact search in memory. Has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedEngine {}

/// An OpenSearch cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenSearchEngine {
    /// Address, for example `https://opensearch:9200`.
    #[schemars(length(max = 512), regex(pattern = r"^https?://[^\s]+$"))]
    pub url: String,
    /// Secret with the keys `username` and `password`; no login without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<LocalReference>,
    /// How sparse vectors are indexed. Both give the dot product.
    #[serde(default)]
    pub sparse_field: SparseField,
}

/// How OpenSearch indexes sparse vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SparseField {
    /// Field type `rank_features`, queried with the `linear` function.
    #[default]
    RankFeatures,
    /// Field type `sparse_vector`, queried with `neural_sparse`.
    SparseVector,
}
