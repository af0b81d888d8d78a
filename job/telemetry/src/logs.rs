//! Log lines on standard error: text on a terminal, JSON elsewhere.

use crate::rank::Rank;
use crate::spans;
use json_subscriber::JsonLayer;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use std::io::IsTerminal;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, fmt};

/// What is logged without `RUST_LOG`. The S3 client tells at "info" where its credentials come from, over and over.
const LEVELS: &str = "info,aws_config=warn,aws_runtime=warn,aws_smithy_runtime=warn";

/// The level that `RUST_LOG` chooses.
pub(crate) fn level() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LEVELS))
}

/// The layer that writes log lines.
///
/// A JSON line carries the rank where there are several, and the trace and span that it belongs to: those of the
/// thread, else those that this process was started by.
pub(crate) fn layer<S>(
    started_by: SpanContext,
    rank: Option<Rank>,
    level: EnvFilter,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // Spans are for the traces; their names before every line would only be noise.
    let filter = level.and(filter_fn(|metadata| metadata.target() != spans::TARGET));
    if std::io::stderr().is_terminal() {
        fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
            .without_time()
            .with_filter(filter)
            .boxed()
    } else {
        json(started_by, rank).with_filter(filter).boxed()
    }
}

fn json<S>(started_by: SpanContext, rank: Option<Rank>) -> JsonLayer<S, fn() -> std::io::Stderr>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut layer = JsonLayer::stderr();
    layer
        .with_timer("timestamp", SystemTime)
        .with_level("level")
        .with_flattened_event();
    if let Some(rank) = rank.filter(|rank| rank.has_company()) {
        layer.add_static_field("rank", rank.rank.into());
    }
    layer.add_multiple_dynamic_fields(move |_, _, writer| {
        let current = Context::current().span().span_context().clone();
        let span = if current.is_valid() {
            &current
        } else {
            &started_by
        };
        if span.is_valid() {
            // What cannot be written is a member of the line, never the line.
            let _ = writer.write_field("trace_id", span.trace_id().to_string());
            let _ = writer.write_field("span_id", span.span_id().to_string());
        }
    });
    layer
}
