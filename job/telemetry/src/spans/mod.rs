//! The vocabulary of our traces: every span's name and attributes are here and nowhere else.
//!
//! | span | what it covers | attributes |
//! |---|---|---|
//! | `attempt` | one attempt at a resource, from its creation to its end: the root of the trace that its pods join | `splade.resource.kind`, `splade.resource.name`, `k8s.namespace.name`, `splade.training.attempt`, `splade.attempt.cause`, `splade.attempt.reason`, `error.type` |
//! | `launch` | the launcher of one node | `splade.node_rank`, `splade.nodes`, `splade.ranks_per_node`, `splade.outcome`, `splade.exit_code` |
//! | `run` | one training resource: training, export and benchmarks, as far as this process does them | `splade.training.name` |
//! | `epoch` | the steps of one pass over the data that this process does | `splade.epoch` |
//! | `checkpoint` | writing one checkpoint | `splade.step`, `splade.checkpoint.uri` |
//! | `evaluation` | measuring the model between two steps | `splade.step` |
//! | `export` | writing the model | `splade.training.name`, `splade.model.uri` |
//! | `benchmark` | measuring a model on one data set | `splade.dataset.name`, `splade.dataset.split` |
//! | `reconcile` | the operator brings one object and the cluster together | `splade.resource.kind`, `splade.resource.name`, `k8s.namespace.name`, `error.type` |
//!
//! Work goes into a span by [`within`]. A thread that works for a span enters it by itself: what is current belongs to
//! one thread.

mod attempt;

pub use attempt::EndedAttempt;

use crate::traces::started_by;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use std::fmt::Display;
use std::path::Path;
use tracing::field::{Empty, display};
use tracing::span::EnteredSpan;
use tracing::{Span, info_span};

/// Target of every span that is exported; other libraries' spans are not.
pub(crate) const TARGET: &str = "splade";

const CHECKPOINT_URI: &str = "splade.checkpoint.uri";
const DATASET_NAME: &str = "splade.dataset.name";
const DATASET_SPLIT: &str = "splade.dataset.split";
const EPOCH: &str = "splade.epoch";
const ERROR_TYPE: &str = "error.type";
const EXIT_CODE: &str = "splade.exit_code";
const MODEL_URI: &str = "splade.model.uri";
const NAMESPACE: &str = "k8s.namespace.name";
const NODES: &str = "splade.nodes";
const NODE_RANK: &str = "splade.node_rank";
const OUTCOME: &str = "splade.outcome";
const RANKS_PER_NODE: &str = "splade.ranks_per_node";
const RESOURCE_KIND: &str = "splade.resource.kind";
const RESOURCE_NAME: &str = "splade.resource.name";
const STEP: &str = "splade.step";
const TRAINING_NAME: &str = "splade.training.name";
const STATUS_CODE: &str = "otel.status_code";
const STATUS_DESCRIPTION: &str = "otel.status_description";

/// One span of the vocabulary, ready to take its outcome.
macro_rules! span {
    ($name:literal, $({ $field:ident } = $value:expr),+) => {
        info_span!(
            target: TARGET,
            $name,
            $({ $field } = $value,)+
            { STATUS_CODE } = Empty,
            { STATUS_DESCRIPTION } = Empty
        )
    };
}

/// OpenTelemetry's integers have a sign.
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The launcher of one of `nodes`, which starts ranks; [`launched`] says how it ended.
pub fn launch(node_rank: u32, nodes: u32, ranks_per_node: u32) -> Span {
    span!(
        "launch",
        { NODE_RANK } = i64::from(node_rank),
        { NODES } = i64::from(nodes),
        { RANKS_PER_NODE } = i64::from(ranks_per_node),
        { OUTCOME } = Empty,
        { EXIT_CODE } = Empty
    )
}

/// The launcher of `span` ends, in the words of its termination message.
pub fn launched(span: &Span, outcome: &str, exit_code: u8, failure: Option<impl Display>) {
    span.record(OUTCOME, outcome);
    span.record(EXIT_CODE, i64::from(exit_code));
    if let Some(failure) = failure {
        fail(span, failure);
    }
}

/// One training resource, as far as this process does it.
pub fn run(training: &str) -> Span {
    span!("run", { TRAINING_NAME } = training)
}

/// A pass over the data, counted from 0.
pub fn epoch(epoch: u64) -> Span {
    span!("epoch", { EPOCH } = integer(epoch))
}

/// Writing the checkpoint of `step` into the folder `uri`.
pub fn checkpoint(step: u64, uri: &str) -> Span {
    span!(
        "checkpoint",
        { STEP } = integer(step),
        { CHECKPOINT_URI } = uri
    )
}

/// Measuring the model after `step` optimizer steps.
pub fn evaluation(step: u64) -> Span {
    span!("evaluation", { STEP } = integer(step))
}

/// Writing the model of a training into `folder`.
pub fn export(training: &str, folder: &Path) -> Span {
    span!(
        "export",
        { TRAINING_NAME } = training,
        { MODEL_URI } = display(folder.display())
    )
}

/// Measuring a model on one split of a data set.
pub fn benchmark(dataset: &str, split: &str) -> Span {
    span!(
        "benchmark",
        { DATASET_NAME } = dataset,
        { DATASET_SPLIT } = split
    )
}

/// One look of the operator at an object. It begins a trace of its own, since the work that it starts outlives it;
/// `attempt`, the W3C trace context of that work, is linked.
pub fn reconcile(kind: &str, namespace: &str, name: &str, attempt: Option<&str>) -> Span {
    let span = info_span!(
        target: TARGET,
        parent: None,
        "reconcile",
        { RESOURCE_KIND } = kind,
        { NAMESPACE } = namespace,
        { RESOURCE_NAME } = name,
        { ERROR_TYPE } = Empty,
        { STATUS_CODE } = Empty,
        { STATUS_DESCRIPTION } = Empty
    );
    if let Some(attempt) = attempt {
        span.in_scope(|| link(attempt));
    }
    span
}

/// Links the span that this thread works in, if any, to the one that a W3C trace context names.
pub fn link(traceparent: &str) {
    if let Some(linked) = started_by::span_context(traceparent) {
        // The extension trait of tracing spans finds nothing behind a layer that can be replaced, and says nothing.
        Context::current().span().add_link(linked, Vec::new());
    }
}

/// The W3C trace context of the span that this thread works in, for a process that is started from here. None where
/// there is no such span: then the process inherits what this one was started by.
pub fn traceparent() -> Option<String> {
    let context = Context::current();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| started_by::traceparent(&span))
}

/// The work of a span has failed, for a reason out of a small set.
pub fn failed(span: &Span, category: &str, error: impl Display) {
    span.record(ERROR_TYPE, category);
    fail(span, error);
}

/// Does `work` in `span`. An error or a panic becomes the status of the span.
///
/// # Errors
/// Those of `work`.
pub fn within<T, E: Display>(span: Span, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    inside(span, |span| {
        let outcome = work();
        if let Err(error) = &outcome {
            fail(span, error);
        }
        outcome
    })
}

/// Does `work` in `span`, which `work` may tell about. A panic becomes the status of the span.
pub fn inside<T>(span: Span, work: impl FnOnce(&Span) -> T) -> T {
    let watched = Watched(span.entered());
    work(&watched.0)
}

fn fail(span: &Span, error: impl Display) {
    span.record(STATUS_CODE, "ERROR");
    span.record(STATUS_DESCRIPTION, display(error));
}

/// A span that notices when the work in it panics.
struct Watched(EnteredSpan);

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            fail(&self.0, "panicked; the log says where");
        }
    }
}

/// The epochs of a training, one span after another.
#[derive(Debug, Default)]
pub struct Epochs {
    current: Option<(u64, Span)>,
}

impl Epochs {
    /// Enters the span of an epoch, which is a new one where the epoch is.
    pub fn enter(&mut self, epoch: u64) -> tracing::span::Entered<'_> {
        let current = self.current.take().filter(|(number, _)| *number == epoch);
        let (_, span) = self
            .current
            .insert(current.unwrap_or_else(|| (epoch, self::epoch(epoch))));
        span.enter()
    }
}
