//! What a status that has been written means for the traces of attempts.

use super::Context;
use super::subject::Subject;
use crate::attempts::{Resource, newly_ended, root};
use splade_telemetry::spans;

/// Links the reconcile under way to an attempt that has begun, and sends the roots of those that have ended.
///
/// Whoever wrote the end sends the root, so nobody sends it twice. A process that ends in between sends none.
pub(super) fn follow<S: Subject>(context: &Context, before: Option<&S::Status>, object: &S) {
    let Some(after) = object.status() else { return };
    let known = before.map(S::attempts).unwrap_or_default();
    let attempts = S::attempts(after);
    let traceparent = object.traceparent();
    if let Some(begun) = traceparent
        && known.last().and_then(|last| last.traceparent.as_deref()) != traceparent
    {
        spans::link(begun);
    }
    let Some(roots) = context.roots.as_ref().filter(|_| object.begins_traces()) else {
        return;
    };
    let metadata = object.meta();
    let resource = Resource {
        kind: S::NAME,
        namespace: metadata.namespace.as_deref().unwrap_or_default(),
        name: metadata.name.as_deref().unwrap_or_default(),
    };
    for attempt in newly_ended(known, attempts) {
        if let Some(root) = root(resource, attempt, S::last_failure(after)) {
            roots.send(&root);
        }
    }
}
