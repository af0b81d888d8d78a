//! What holds the trace of an attempt together: its root, what is linked to it, and what a launcher hands on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::collector::{Collector, named};
use common::finished::Finished;
use splade_telemetry::spans::{self, EndedAttempt, inside, within};
use splade_telemetry::{Telemetry, Traces};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, SystemTime};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ROOT: &str = "00f067aa0ba902b7";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-01";

/// What the child of a test does, by the variable `SCENARIO`.
#[test]
#[ignore = "the other tests run it in a process of its own"]
fn child() {
    let telemetry = Telemetry::start("splade-test", "1.2.3").unwrap();
    let traces = telemetry.send_traces(None).unwrap();
    match std::env::var("SCENARIO").unwrap().as_str() {
        "attempts" => send_attempts(&traces.unwrap()),
        "reconcile" => {
            let reconcile =
                |name, attempt| spans::reconcile("SpladeTraining", "search", name, attempt);
            drop(reconcile("none", None));
            drop(reconcile("known", Some(TRACEPARENT)));
            reconcile("begun", Some(OTHER)).in_scope(|| spans::link(TRACEPARENT));
            drop(reconcile("malformed", Some("00-nonsense")));
            let failed = reconcile("failed", None);
            spans::failed(&failed, "conflict", "somebody was faster");
        }
        "launch" => inside(spans::launch(1, 2, 8), |span| {
            println!("\nout handed {}", spans::traceparent().unwrap());
            spans::launched(span, "Failed", 65, Some("rank 3 left with exit code 65"));
        }),
        "nothing" => inside(spans::launch(0, 1, 1), |span| {
            println!("\nout handed {:?}", spans::traceparent());
            spans::launched(span, "Succeeded", 0, None::<&str>);
        }),
        "job" => job().unwrap(),
        other => panic!("no scenario {other}"),
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn send_attempts(traces: &Traces) {
    let failed = EndedAttempt {
        traceparent: TRACEPARENT,
        kind: "SpladeTraining",
        namespace: "search",
        name: "korean",
        number: 3,
        start: at(1_000),
        end: at(1_060),
        cause: "Application",
        reason: "OOMKilled",
        failure: Some("rank 3 was ended by SIGKILL"),
    };
    let roots = traces.roots();
    roots.send(&failed);
    roots.send(&EndedAttempt {
        traceparent: OTHER,
        number: 4,
        end: at(900),
        cause: "Completed",
        reason: "Completed",
        failure: None,
        ..failed
    });
    let not_sent = TRACEPARENT.replace("-01", "-00");
    for traceparent in [not_sent.as_str(), "00-nonsense"] {
        roots.send(&EndedAttempt {
            traceparent,
            ..failed
        });
    }
}

/// One span of every kind that a job sends.
fn job() -> Result<(), Infallible> {
    let done = || Ok(());
    inside(spans::launch(0, 1, 1), |span| {
        spans::launched(span, "Succeeded", 0, None::<&str>);
    });
    within(spans::run("small"), done)?;
    within(spans::epoch(0), done)?;
    within(spans::checkpoint(4, "s3://runs/step-00000004"), done)?;
    within(spans::evaluation(4), done)?;
    within(spans::export("small", Path::new("export")), done)?;
    within(spans::benchmark("ko-strategyqa", "dev"), done)
}

fn run(collector: &Collector, scenario: &str) -> Finished {
    let endpoint = collector.grpc();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("TRACEPARENT", TRACEPARENT),
    ];
    Finished::run(scenario, &variables)
}

#[test]
fn the_root_of_an_attempt_has_the_ids_that_its_pods_were_given() {
    let collector = Collector::start();
    run(&collector, "attempts");
    // What comes after is all that has come.
    run(&collector, "nothing");
    let spans = collector.spans(3);
    let attempts: Vec<_> = spans.iter().filter(|span| span.name == "attempt").collect();
    let [failed, completed] = attempts[..] else {
        panic!("{spans:?}");
    };
    assert_eq!((failed.trace.as_str(), failed.id.as_str()), (TRACE, ROOT));
    assert_eq!(failed.parent, "");
    assert_eq!(
        (failed.start, failed.end),
        (1_000_000_000_000, 1_060_000_000_000)
    );
    assert_eq!(
        (failed.status, failed.message.as_str()),
        (2, "rank 3 was ended by SIGKILL")
    );
    assert_eq!(failed.resource["service.name"], "splade-test");
    for (name, value) in [
        ("splade.resource.kind", "SpladeTraining"),
        ("splade.resource.name", "korean"),
        ("k8s.namespace.name", "search"),
        ("splade.attempt.cause", "Application"),
        ("splade.attempt.reason", "OOMKilled"),
        ("error.type", "Application"),
    ] {
        assert_eq!(failed.attributes[name], value, "{name}");
    }
    assert_eq!(failed.attributes["splade.training.attempt"], 3);

    assert_eq!(completed.id, "2222222222222222");
    assert_eq!(completed.status, 0);
    assert!(!completed.attributes.contains_key("error.type"));
    assert_eq!(completed.end, completed.start, "a clock that went back");
}

#[test]
fn a_reconcile_is_a_trace_of_its_own_that_is_linked_to_the_attempt() {
    let collector = Collector::start();
    run(&collector, "reconcile");
    let spans = collector.spans(5);
    let links = |name: &str| {
        let span = spans
            .iter()
            .find(|span| span.attributes["splade.resource.name"] == name)
            .unwrap();
        assert_eq!(span.parent, "", "{name}");
        assert_ne!(span.trace, TRACE, "{name}");
        span.links.clone()
    };
    let attempt = (TRACE.to_owned(), ROOT.to_owned());
    assert_eq!(links("none"), []);
    assert_eq!(links("malformed"), []);
    let other = ("1".repeat(32), "2".repeat(16));
    assert_eq!(links("begun"), [other, attempt.clone()]);
    assert_eq!(links("known"), vec![attempt]);
}

#[test]
fn a_launcher_hands_its_own_span_on() {
    let collector = Collector::start();
    let finished = run(&collector, "launch");
    let spans = collector.spans(1);
    let launch = named(&spans, "launch");
    assert_eq!(
        (launch.trace.as_str(), launch.parent.as_str()),
        (TRACE, ROOT)
    );
    assert_eq!(
        finished.value("handed"),
        format!("00-{TRACE}-{}-01", launch.id)
    );
    let numbers = [
        ("splade.node_rank", 1),
        ("splade.nodes", 2),
        ("splade.ranks_per_node", 8),
        ("splade.exit_code", 65),
    ];
    for (name, value) in numbers {
        assert_eq!(launch.attributes[name], value, "{name}");
    }
    assert_eq!(launch.attributes["splade.outcome"], "Failed");
    assert_eq!(
        (launch.status, launch.message.as_str()),
        (2, "rank 3 left with exit code 65")
    );
    // It is the ranks that have a rank.
    assert!(!launch.resource.contains_key("splade.rank"));
}

#[test]
fn a_launcher_that_sends_no_traces_hands_on_what_it_was_given() {
    let finished = Finished::run("nothing", &[("TRACEPARENT", TRACEPARENT)]);
    assert_eq!(finished.value("handed"), "None");
}

#[test]
fn the_documentation_names_every_span_and_its_attributes() {
    let collector = Collector::start();
    for scenario in ["job", "attempts", "reconcile"] {
        run(&collector, scenario);
    }
    let mut sent: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for span in collector.spans(14) {
        sent.entry(span.name)
            .or_default()
            .extend(span.attributes.into_keys());
    }
    assert_eq!(sent, documented());
}

/// Spans with their attributes, from the table of the documentation.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/observability.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, _, _, attributes, _] = cells[..] else {
            return None;
        };
        let unquoted = |text: &str| text.trim().trim_matches('`').to_owned();
        let attributes: BTreeSet<String> = attributes.split(',').map(unquoted).collect();
        let is_ours = |name: &String| {
            name.starts_with("splade.") || ["k8s.namespace.name", "error.type"].contains(&&**name)
        };
        let ours = attributes.iter().all(is_ours);
        ours.then(|| (unquoted(name), attributes))
    });
    rows.collect()
}
