//! The OTLP exporter, and the runtime that its connections live on.

use super::TraceError;
use super::collector::{Collector, Protocol};
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;
use rustls::crypto::ring;
use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// The longest that a collector may take for one batch over HTTP; over gRPC it is the library's default, the same.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// A runtime of one thread for the connections to the collector.
pub(super) fn runtime() -> Result<Runtime, TraceError> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("otlp")
        .enable_all()
        .build()
        .map_err(TraceError::Runtime)
}

/// Sends batches to the collector and warns of the first that it does not take.
#[derive(Debug)]
pub(super) struct Exporter {
    exporter: SpanExporter,
    runtime: Handle,
    collector: String,
    warned: Arc<AtomicBool>,
}

impl Exporter {
    pub(super) fn new(
        collector: &Collector,
        runtime: &Handle,
        warned: Arc<AtomicBool>,
    ) -> Result<Self, TraceError> {
        // Connections are made when the first batch goes, on the runtime that is current now.
        let _on_runtime = runtime.enter();
        let exporter = match collector.protocol {
            Protocol::Grpc => over_grpc(collector),
            Protocol::Http => over_http(collector),
        };
        Ok(Self {
            exporter: exporter.map_err(|reason| TraceError::Collector {
                collector: collector.shown(),
                reason,
            })?,
            runtime: runtime.clone(),
            collector: collector.shown(),
            warned,
        })
    }
}

/// Certificates are looked for only where they are needed: a container without any can still speak in the clear.
fn over_grpc(collector: &Collector) -> Result<SpanExporter, String> {
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&collector.endpoint);
    if collector.is_encrypted() {
        builder = builder.with_tls_config(ClientTlsConfig::new().with_native_roots());
    }
    builder.build().map_err(|error| error.to_string())
}

fn over_http(collector: &Collector) -> Result<SpanExporter, String> {
    let builder = SpanExporter::builder()
        .with_http()
        .with_endpoint(&collector.endpoint);
    let builder = if collector.is_encrypted() {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(ring::default_provider())
            .map_err(|error| error.to_string())?
            .https_only()
            .enable_http1()
            .build();
        builder.with_http_client(HyperClient::new(connector, HTTP_TIMEOUT, None))
    } else {
        builder.with_http_client(HyperClient::with_default_connector(HTTP_TIMEOUT, None))
    };
    builder.build().map_err(|error| error.to_string())
}

impl opentelemetry_sdk::trace::SpanExporter for Exporter {
    /// Runs on the batch processor's own thread, which may wait.
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let result = self.runtime.block_on(self.exporter.export(batch));
        if let Err(error) = &result
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, collector = self.collector, "traces cannot be sent; the work goes on without them");
        }
        ready(result)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
