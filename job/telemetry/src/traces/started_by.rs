//! The trace that this process was started by, as the environment tells it.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The variable by which a process is told the span that it is started from.
pub const TRACEPARENT: &str = "TRACEPARENT";

/// The W3C trace context in `TRACEPARENT` and `TRACESTATE`.
#[derive(Debug)]
pub(crate) enum StartedBy {
    /// Nobody: the first span begins a trace.
    Nobody,
    /// A trace that our spans join.
    Trace(Context),
    /// `TRACEPARENT` is set and is none.
    Malformed,
}

impl StartedBy {
    /// From the environment of this process.
    pub(crate) fn from_environment() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let carrier = Carrier {
            traceparent: variable(TRACEPARENT).filter(|value| !value.is_empty()),
            tracestate: variable("TRACESTATE"),
        };
        if carrier.traceparent.is_none() {
            return Self::Nobody;
        }
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        if context.span().span_context().is_valid() {
            Self::Trace(context)
        } else {
            Self::Malformed
        }
    }

    /// The context that our first span is a child of.
    pub(crate) fn context(&self) -> Context {
        match self {
            Self::Trace(context) => context.clone(),
            Self::Nobody | Self::Malformed => Context::new(),
        }
    }
}

/// The span that a W3C `traceparent` names; None where it is malformed.
pub(crate) fn span_context(traceparent: &str) -> Option<SpanContext> {
    let carrier = Carrier {
        traceparent: Some(traceparent.to_owned()),
        tracestate: None,
    };
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

/// The W3C `traceparent` that names a span.
pub(crate) fn traceparent(span: &SpanContext) -> String {
    let flags = span.trace_flags().to_u8();
    format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())
}

/// The two headers, as environment variables carry them.
struct Carrier {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

impl Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent.as_deref(),
            "tracestate" => self.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}
