//! What the collector of the cluster has got.

use crate::cluster::setting;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A span as it arrived.
pub struct Span {
    pub name: String,
    pub service: String,
    id: String,
    parent: String,
}

/// The spans of a trace so far, by the second part of its traceparent.
pub fn spans_of(traceparent: &str) -> Vec<Span> {
    let trace = traceparent
        .split('-')
        .nth(1)
        .expect("a traceparent has a trace id");
    let text = std::fs::read_to_string(setting("SPLADE_E2E_TELEMETRY")).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut spans = BTreeMap::new();
    for line in lines {
        for resource in array(&line, "resourceSpans") {
            let service = service(resource);
            let scopes = array(resource, "scopeSpans");
            for span in scopes.flat_map(|scope| array(scope, "spans")) {
                let text = |field: &str| span[field].as_str().unwrap_or_default().to_owned();
                if text("traceId") == trace {
                    let (id, parent, name) = (text("spanId"), text("parentSpanId"), text("name"));
                    let service = service.clone();
                    spans.insert(
                        id.clone(),
                        Span {
                            name,
                            service,
                            id,
                            parent,
                        },
                    );
                }
            }
        }
    }
    spans.into_values().collect()
}

/// The spans whose parent has not arrived; the root has none.
pub fn orphans(spans: &[Span]) -> Vec<&str> {
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    let orphans = spans
        .iter()
        .filter(|span| !span.parent.is_empty() && !ids.contains(span.parent.as_str()));
    orphans.map(|span| span.name.as_str()).collect()
}

fn array<'a>(value: &'a Value, field: &str) -> std::slice::Iter<'a, Value> {
    value[field]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

fn service(resource: &Value) -> String {
    let mut attributes = array(&resource["resource"], "attributes");
    let name = attributes.find(|attribute| attribute["key"] == "service.name");
    name.and_then(|name| name["value"]["stringValue"].as_str())
        .unwrap_or_default()
        .to_owned()
}
