//! Where the finished model goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::storage_uri::StorageUri;
use crate::training::Precision;

/// Where the finished model goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportSpec {
    /// Folder for the exported model.
    pub uri: StorageUri,
    /// Formats to write.
    #[serde(default = "formats")]
    #[schemars(length(min = 1, max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub formats: Vec<ExportFormat>,
    /// Number format of the weights.
    #[serde(default = "dtype")]
    pub dtype: Precision,
}

/// A format of exported models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExportFormat {
    /// A folder that `AutoModelForMaskedLM` and sentence-transformers' `SparseEncoder` load.
    HuggingFace,
}

fn formats() -> Vec<ExportFormat> {
    vec![ExportFormat::HuggingFace]
}

fn dtype() -> Precision {
    Precision::FP32
}
