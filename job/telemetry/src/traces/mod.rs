//! Traces by OpenTelemetry: logging starts first, the collector is known once the manifest has been read.

mod collector;
mod exporter;
mod finished;
mod resource;
pub(crate) mod started_by;

pub use finished::Roots;
pub use started_by::TRACEPARENT;

use crate::logs::{self, Level};
use crate::progress::Progress;
use crate::rank::Rank;
use crate::spans;
use collector::Collector;
use exporter::{Exporter, runtime};
use finished::Queue;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Context, ContextGuard, InstrumentationScope};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanProcessor};
use resource::{Service, describe};
use started_by::StartedBy;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, reload};

/// How long the end of a run waits for the collector to take the last spans.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Traces that cannot be sent as they are asked to.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// An address that does not say how it is reached.
    #[error(
        "the address of the OpenTelemetry collector begins neither with http:// nor with https://"
    )]
    Scheme,
    /// A way of speaking that is not supported.
    #[error("{variable}={value}: traces are sent by grpc or http/protobuf")]
    Protocol {
        /// The variable that asks for it.
        variable: &'static str,
        /// What it asks for.
        value: String,
    },
    /// An address or certificates that cannot be used.
    #[error("the OpenTelemetry collector {collector} cannot be spoken to: {reason}")]
    Collector {
        /// The address, without a password.
        collector: String,
        /// What is wrong.
        reason: String,
    },
    /// No thread for the connections.
    #[error("no thread can be started for sending traces: {0}")]
    Runtime(std::io::Error),
    /// Another logger was installed in place of ours.
    #[error("logging was not started by Telemetry::start, so spans do not arrive here")]
    NoLogging,
}

type TraceLayer = Option<OpenTelemetryLayer<Registry, SdkTracer>>;

/// Logging, progress, and a place for traces.
pub struct Telemetry {
    service: Service,
    /// None where this process is no rank of a training.
    rank: Option<Rank>,
    started_by: Context,
    trace_layer: reload::Handle<TraceLayer, Registry>,
    progress: Progress,
}

impl Telemetry {
    /// Starts logging for a process of a training; `RUST_LOG` chooses the level. Nothing is sent anywhere, and no
    /// thread is started.
    ///
    /// # Errors
    /// Another logger that is installed already.
    pub fn start(name: &'static str, version: &'static str) -> Result<Self, TryInitError> {
        let service = Service { name, version };
        let Level { filter, complaint } = logs::level();
        let telemetry = Self::begin(service, Rank::from_environment(), filter)?;
        if let Some(complaint) = complaint {
            tracing::warn!("{complaint}");
        }
        Ok(telemetry)
    }

    /// The same for a process that is no rank of a training.
    ///
    /// # Errors
    /// Another logger that is installed already.
    pub fn start_service(
        name: &'static str,
        version: &'static str,
        level: EnvFilter,
    ) -> Result<Self, TryInitError> {
        Self::begin(Service { name, version }, None, level)
    }

    fn begin(service: Service, rank: Option<Rank>, level: EnvFilter) -> Result<Self, TryInitError> {
        let started_by = StartedBy::from_environment();
        let context = started_by.context();
        let (layer, trace_layer) = reload::Layer::new(None);
        let exported =
            filter_fn(|metadata| metadata.is_span() && metadata.target() == spans::TARGET)
                .with_max_level_hint(LevelFilter::INFO);
        let parent = context.span().span_context().clone();
        tracing_subscriber::registry()
            .with(layer.with_filter(exported))
            .with(logs::layer(parent, rank, level))
            .try_init()?;
        if matches!(started_by, StartedBy::Malformed) {
            tracing::warn!(
                "TRACEPARENT is not a W3C trace context: traces of this run begin with themselves"
            );
        }
        Ok(Self {
            service,
            rank,
            started_by: context,
            trace_layer,
            progress: Progress::default(),
        })
    }

    /// Where the run stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Which process of a training this is; the only one where it is none.
    pub fn rank(&self) -> Rank {
        self.rank.unwrap_or(Rank::ALONE)
    }

    /// Sends the spans of this thread's work to a collector for as long as the result lives: to `endpoint`, else to
    /// the one in `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT`. None where there is neither:
    /// then nothing is started and spans cost nothing.
    ///
    /// The first span is a child of the one in `TRACEPARENT`, and is sent only if that one is.
    ///
    /// # Errors
    /// An address or protocol that cannot be used. A collector that does not answer is no error.
    pub fn send_traces(&self, endpoint: Option<&str>) -> Result<Option<Traces>, TraceError> {
        let variable = |name: &str| std::env::var(name).ok();
        let Some(collector) = Collector::choose(endpoint, variable)? else {
            return Ok(None);
        };
        let runtime = runtime()?;
        let warned = Arc::new(AtomicBool::new(false));
        let exporter = Exporter::new(&collector, runtime.handle(), Arc::clone(&warned))?;
        let resource = describe(self.service, self.rank);
        let mut batches = BatchSpanProcessor::builder(exporter).build();
        batches.set_resource(&resource);
        let queue = Queue(Arc::new(batches));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(queue.clone())
            .build();
        let scope = InstrumentationScope::builder(self.service.name).build();
        let layer = OpenTelemetryLayer::new(provider.tracer_with_scope(scope.clone()))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        self.trace_layer
            .reload(layer)
            .map_err(|_| TraceError::NoLogging)?;
        Ok(Some(Traces {
            roots: Roots { queue, scope },
            provider,
            runtime: Some(runtime),
            collector: collector.shown(),
            warned,
            trace_layer: self.trace_layer.clone(),
            _child_of: self.started_by.clone().attach(),
        }))
    }
}

/// Spans are sent while this lives. At its end the last ones are sent, for at most two seconds.
pub struct Traces {
    roots: Roots,
    provider: SdkTracerProvider,
    runtime: Option<Runtime>,
    collector: String,
    warned: Arc<AtomicBool>,
    trace_layer: reload::Handle<TraceLayer, Registry>,
    _child_of: ContextGuard,
}

impl Traces {
    /// What sends the roots of traces to the same collector. After the end of this it sends nothing.
    pub fn roots(&self) -> Roots {
        self.roots.clone()
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // The subscriber lives as long as the process.
        let _ = self.trace_layer.reload(None);
        let flushed = self.provider.shutdown_with_timeout(FLUSH_TIMEOUT);
        let runtime = self.runtime.take();
        if flushed.is_ok() {
            if let Some(runtime) = runtime {
                runtime.shutdown_background();
            }
            return;
        }
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                collector = self.collector,
                "the last traces were not taken within {} s; they are lost",
                FLUSH_TIMEOUT.as_secs()
            );
        }
        // The sending thread still waits for the collector: its runtime must outlive it, up to the process's end.
        std::mem::forget(runtime);
    }
}
