//! The root of a trace, sent when the attempt that it stands for is over.

use crate::traces::started_by;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::time::SystemTime;

const ATTEMPT: &str = "splade.training.attempt";
const CAUSE: &str = "splade.attempt.cause";
const REASON: &str = "splade.attempt.reason";

/// An attempt that is over. Its ids were given to its pods when it began, so its span is made from what is known of it
/// and not from work that a thread did.
#[derive(Clone, Copy, Debug)]
pub struct EndedAttempt<'a> {
    /// The W3C trace context that the pods were given: the trace, and the id of this span.
    pub traceparent: &'a str,
    /// Kind of the resource.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Number of the attempt, from 1.
    pub number: u32,
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// Why it ended, out of a small set.
    pub cause: &'a str,
    /// The cause in detail, one word.
    pub reason: &'a str,
    /// What went wrong, for a person; None where nothing did.
    pub failure: Option<&'a str>,
}

impl EndedAttempt<'_> {
    /// The span. None where the trace context is malformed, or where it says that the trace is not sent: the pods go by
    /// it too.
    pub(crate) fn span(&self, scope: InstrumentationScope) -> Option<SpanData> {
        let given = started_by::span_context(self.traceparent).filter(SpanContext::is_sampled)?;
        Some(SpanData {
            span_context: SpanContext::new(
                given.trace_id(),
                given.span_id(),
                given.trace_flags(),
                false,
                given.trace_state().clone(),
            ),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "attempt".into(),
            start_time: self.start,
            // A clock that went back makes it short, not negative.
            end_time: self.end.max(self.start),
            attributes: self.attributes(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: match self.failure {
                Some(failure) => Status::error(failure.to_owned()),
                None => Status::Unset,
            },
            instrumentation_scope: scope,
        })
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let text = |key: &'static str, value: &str| KeyValue::new(key, value.to_owned());
        let mut attributes = vec![
            text(super::RESOURCE_KIND, self.kind),
            text(super::RESOURCE_NAME, self.name),
            text(super::NAMESPACE, self.namespace),
            KeyValue::new(ATTEMPT, i64::from(self.number)),
            text(CAUSE, self.cause),
            text(REASON, self.reason),
        ];
        if self.failure.is_some() {
            attributes.push(text(super::ERROR_TYPE, self.cause));
        }
        attributes
    }
}
