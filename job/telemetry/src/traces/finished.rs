//! Spans that are over when they come to be, beside those that threads of this process work in.

use crate::spans::EndedAttempt;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};
use std::sync::Arc;
use std::time::Duration;

/// Sends the roots of traces. A tracer makes up the ids of its spans, those of a root were given away before; so roots
/// go past the tracer, into the same queue as its spans.
#[derive(Clone, Debug)]
pub struct Roots {
    pub(super) queue: Queue,
    pub(super) scope: InstrumentationScope,
}

impl Roots {
    /// Sends the span of an attempt in the background, unless its trace context says that the trace is not sent.
    pub fn send(&self, attempt: &EndedAttempt) {
        if let Some(span) = attempt.span(self.scope.clone()) {
            self.queue.on_end(span);
        }
    }
}

/// Spans that wait to be sent. Clones are the same queue.
#[derive(Clone, Debug)]
pub(super) struct Queue(pub(super) Arc<BatchSpanProcessor>);

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
}
