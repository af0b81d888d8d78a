//! Logs, TensorBoard and traces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::storage_uri::StorageUri;

/// Logs, TensorBoard and traces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TelemetrySpec {
    /// Folder for TensorBoard event files; none are written without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensorboard: Option<StorageUri>,
    /// Report loss and throughput, averaged over the interval, after so many optimizer steps.
    #[schemars(range(min = 1, max = 1000000))]
    pub log_every_steps: u32,
    /// OpenTelemetry collector that receives traces (OTLP over gRPC), for example
    /// `http://collector:4317`. None are sent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = r"^https?://[^\s]+$"))]
    pub otlp_endpoint: Option<String>,
}

impl Default for TelemetrySpec {
    fn default() -> Self {
        Self {
            tensorboard: None,
            log_every_steps: 10,
            otlp_endpoint: None,
        }
    }
}
