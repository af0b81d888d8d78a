//! The operator's part of the trace of an attempt, as a collector receives it.

use crate::control_plane::ControlPlane;
use crate::lives::{begin, job, restart, status};
use crate::operator::Operator;
use crate::watch::collector::{Collector, Span};
use crate::watch::wait_for;
use serde_json::json;
use splade_crds::training::AttemptStatus;

/// Trace and span id of an attempt's trace context.
fn ids(attempt: &AttemptStatus) -> (String, String) {
    let traceparent = attempt.traceparent.as_deref().unwrap();
    let parts: Vec<&str> = traceparent.split('-').collect();
    (parts[1].to_owned(), parts[2].to_owned())
}

fn nanoseconds(time: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time) -> u64 {
    u64::try_from(time.0.as_nanosecond()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_has_one_root_and_every_look_at_it_is_linked() {
    let collector = Collector::start();
    let plane = ControlPlane::start().await;
    let endpoint = collector.grpc();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        // Looks are many, and may be sampled; attempts are sent all the same.
        ("OTEL_TRACES_SAMPLER", "always_off"),
    ];
    let sampling = Operator::start_with(&plane, "one", &variables).await;
    begin(&plane, "tiny").await;
    restart(&plane, "tiny-a1").await;
    job(&plane, "tiny-a2").await;
    assert!(sampling.end().success());
    let operator = Operator::start_with(&plane, "two", &variables[..1]).await;
    restart(&plane, "tiny-a2").await;
    job(&plane, "tiny-a3").await;
    assert!(operator.end().success());

    let attempts = status(&plane, "tiny").await.attempts;
    assert_eq!(attempts.len(), 3);
    let known: Vec<_> = attempts.iter().map(ids).collect();
    // The look that begins an attempt is linked to it, and to the one before. It is the last that is certain.
    let begins = [known[1].clone(), known[2].clone()];
    let spans = wait_for("look that begins the last attempt", || {
        let spans = collector.spans(1);
        let is_there = spans.iter().any(|span| span.links == begins);
        is_there.then_some(spans)
    });
    let (roots, looks): (Vec<&Span>, Vec<&Span>) =
        spans.iter().partition(|span| span.name == "attempt");
    assert_eq!(roots.len(), 2, "one for each attempt that has ended");
    for (root, attempt) in roots.iter().zip(&attempts) {
        assert_eq!((root.trace.clone(), root.id.clone()), ids(attempt));
        assert_eq!(root.parent, "");
        assert_eq!(root.start, nanoseconds(&attempt.start_time));
        assert_eq!(root.end, nanoseconds(attempt.end_time.as_ref().unwrap()));
        assert_eq!(root.status, 2);
        assert_eq!(root.resource["service.name"], "splade-operator");
        for (name, value) in [
            ("splade.resource.kind", json!("SpladeTraining")),
            ("splade.resource.name", json!("tiny")),
            ("k8s.namespace.name", json!("default")),
            ("splade.training.attempt", json!(attempt.number)),
            ("splade.attempt.cause", json!("Infrastructure")),
            ("splade.attempt.reason", json!(attempt.reason)),
        ] {
            assert_eq!(root.attributes[name], value, "{name}");
        }
    }
    for look in &looks {
        assert_eq!(look.name, "reconcile");
        assert_eq!(look.parent, "");
        assert!(!look.links.is_empty(), "{look:?}");
        assert!(look.links.iter().all(|link| known.contains(link)));
        assert!(known.iter().all(|(trace, _)| *trace != look.trace));
    }
}
