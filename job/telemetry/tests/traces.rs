//! Traces as a real collector receives them, and what happens where there is none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::collector::{Collector, Span, named};
use common::finished::Finished;
use common::{DEADLINE, wait_for};
use serde_json::Value;
use splade_telemetry::Telemetry;
use splade_telemetry::spans::{self, Epochs, within};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// What the child of a test does, by the variable `SCENARIO`.
#[test]
#[ignore = "the other tests run it in a process of its own"]
fn child() {
    let endpoint = std::env::var("ENDPOINT").ok();
    let before = threads();
    let telemetry = Telemetry::start("splade-job", "1.2.3").unwrap();
    let mut traces = telemetry.send_traces(endpoint.as_deref()).unwrap();
    let started = Instant::now();
    match std::env::var("SCENARIO").unwrap().as_str() {
        "whole" => whole_run().unwrap(),
        "failure" => {
            let failed: Result<(), _> = within(spans::run("small"), || Err("the disk is full"));
            failed.unwrap_err();
        }
        "panic" => {
            let work = || {
                within(spans::run("small"), || -> Result<(), Infallible> {
                    panic!("out of memory")
                })
            };
            std::panic::catch_unwind(work).unwrap_err();
        }
        "twice" => {
            within(spans::run("first"), || Ok::<(), Infallible>(())).unwrap();
            drop(traces);
            within(spans::run("between"), || Ok::<(), Infallible>(())).unwrap();
            traces = telemetry.send_traces(endpoint.as_deref()).unwrap();
            within(spans::run("second"), || Ok::<(), Infallible>(())).unwrap();
        }
        "threads" => wait_for("threads for sending", || {
            let new = new_threads(&before);
            // The kernel keeps 15 characters of a thread's name, which the thread gives itself once it runs.
            let has = |name: &str| new.iter().any(|thread| thread == name);
            (has("otlp") && has("OpenTelemetry.T")).then_some(())
        }),
        "flood" => {
            for epoch in 0..10_000 {
                drop(spans::epoch(epoch).entered());
            }
        }
        "drip" => {
            for epoch in 0..8 {
                drop(spans::epoch(epoch).entered());
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        other => panic!("no scenario {other}"),
    }
    println!("\nout worked_ms {}", started.elapsed().as_millis());
    println!("out new_threads {}", new_threads(&before).join(" "));
    let ended = Instant::now();
    drop(traces);
    println!("out flushed_ms {}", ended.elapsed().as_millis());
}

/// A run with one span of every kind.
fn whole_run() -> Result<(), Infallible> {
    let done = || Ok::<(), Infallible>(());
    within(spans::run("small"), || {
        let mut epochs = Epochs::default();
        for step in 1..=4 {
            let _epoch = epochs.enter((step - 1) / 2);
            tracing::info!(step, "step");
        }
        {
            let _epoch = epochs.enter(1);
            let uri = "file:///runs/small/step-00000004";
            within(spans::checkpoint(4, uri), done)?;
            within(spans::evaluation(4), done)?;
        }
        drop(epochs);
        within(spans::export("small", Path::new("runs/small/export")), done)?;
        within(spans::benchmark("ko-strategyqa", "dev"), done)
    })
}

/// Names of the threads of this process.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    names.map(|name| name.unwrap().trim().to_owned()).collect()
}

fn new_threads(before: &[String]) -> Vec<String> {
    let mut new = threads();
    for old in before {
        new.remove(new.iter().position(|name| name == old).unwrap());
    }
    new
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

fn assert_whole(spans: &[Span]) {
    let run = named(spans, "run");
    let epochs: Vec<&Span> = spans.iter().filter(|span| span.name == "epoch").collect();
    assert_eq!(epochs.len(), 2);
    assert!(epochs.iter().all(|epoch| epoch.parent == run.id));
    let second = epochs
        .iter()
        .find(|span| span.attributes["splade.epoch"] == 1)
        .unwrap();
    for (name, parent) in [
        ("checkpoint", &second.id),
        ("evaluation", &second.id),
        ("export", &run.id),
        ("benchmark", &run.id),
    ] {
        let span = named(spans, name);
        assert_eq!(&span.parent, parent, "{name}");
        assert_eq!(span.trace, run.trace, "{name}");
        assert_eq!(span.status, 0, "{name}");
    }
}

#[test]
fn a_run_arrives_in_the_trace_that_started_it() {
    let collector = Collector::start();
    let finished = Finished::run(
        "whole",
        &[
            ("ENDPOINT", &collector.grpc()),
            ("TRACEPARENT", &traceparent("01")),
            ("TRACESTATE", "vendor=x"),
            ("RANK", "3"),
            ("WORLD_SIZE", "8"),
            ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=small-a1-0"),
        ],
    );
    let spans = collector.spans(7);
    assert_eq!(spans.len(), 7);
    assert_whole(&spans);
    let run = named(&spans, "run");
    assert_eq!((run.trace.as_str(), run.parent.as_str()), (TRACE, PARENT));
    assert_eq!(run.attributes["splade.training.name"], "small");
    let checkpoint = &named(&spans, "checkpoint").attributes;
    assert_eq!(checkpoint["splade.step"], 4);
    assert_eq!(
        checkpoint["splade.checkpoint.uri"],
        "file:///runs/small/step-00000004"
    );
    assert_eq!(
        named(&spans, "export").attributes["splade.model.uri"],
        "runs/small/export"
    );
    for (name, value) in [
        ("service.name", Value::from("splade-job")),
        ("service.version", "1.2.3".into()),
        ("os.type", "linux".into()),
        ("splade.rank", 3.into()),
        ("splade.world_size", 8.into()),
        ("k8s.pod.name", "small-a1-0".into()),
        ("telemetry.sdk.language", "rust".into()),
    ] {
        assert_eq!(run.resource[name], value, "{name}");
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(run.resource["host.name"], host.trim());

    // Each log line names the span that it was written in, and the rank.
    let log = finished.log();
    let steps: Vec<_> = log
        .iter()
        .filter(|line| line["message"] == "step")
        .collect();
    assert_eq!(steps.len(), 4);
    for line in steps {
        let epoch = (line["step"].as_i64().unwrap() - 1) / 2;
        let span = spans
            .iter()
            .find(|span| span.attributes.get("splade.epoch") == Some(&epoch.into()));
        assert_eq!(line["trace_id"], TRACE);
        assert_eq!(line["span_id"], span.unwrap().id.as_str());
        assert_eq!(line["rank"], 3);
    }
    assert_eq!(finished.warnings(), Vec::<String>::new());
}

#[test]
fn http_protobuf_works_too_and_the_environment_names_the_collector() {
    let collector = Collector::start();
    Finished::run(
        "whole",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.http()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_SERVICE_NAME", "mine"),
        ],
    );
    let spans = collector.spans(7);
    assert_whole(&spans);
    let run = named(&spans, "run");
    assert_eq!(run.parent, "", "a run that nothing started begins a trace");
    assert_eq!(run.resource["service.name"], "mine");
}

#[test]
fn a_trace_that_is_not_sampled_is_not_sent() {
    let collector = Collector::start();
    let grpc = collector.grpc();
    Finished::run(
        "whole",
        &[("ENDPOINT", &grpc), ("TRACEPARENT", &traceparent("00"))],
    );
    // What comes after is all that has come.
    Finished::run("failure", &[("ENDPOINT", &grpc)]);
    let spans = collector.spans(1);
    assert_eq!(spans.len(), 1);
    assert_ne!(spans[0].trace, TRACE);
}

#[test]
fn each_training_of_a_manifest_is_sent_by_itself() {
    let collector = Collector::start();
    let variables = [
        ("ENDPOINT", collector.grpc()),
        ("TRACEPARENT", traceparent("01")),
    ];
    Finished::run(
        "twice",
        &variables
            .each_ref()
            .map(|(name, value)| (*name, value.as_str())),
    );
    let spans = collector.spans(2);
    let names: Vec<&str> = spans
        .iter()
        .map(|span| span.attributes["splade.training.name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["first", "second"]);
    assert!(spans.iter().all(|span| span.parent == PARENT));
}

#[test]
fn errors_and_panics_are_sent_as_what_they_are() {
    let collector = Collector::start();
    let grpc = collector.grpc();
    Finished::run("failure", &[("ENDPOINT", &grpc)]);
    Finished::run("panic", &[("ENDPOINT", &grpc)]);
    let spans = collector.spans(2);
    let messages: Vec<(u64, &str)> = spans
        .iter()
        .map(|span| (span.status, span.message.as_str()))
        .collect();
    assert!(messages.contains(&(2, "the disk is full")), "{messages:?}");
    assert!(
        messages
            .iter()
            .any(|(status, text)| *status == 2 && text.contains("panicked")),
        "{messages:?}"
    );
}

#[test]
fn tls_is_spoken_where_the_address_says_https_and_strangers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let collector = Collector::start_encrypted(&certificate, &key);
    let trusted = certificate.to_str().unwrap();
    for (endpoint, protocol) in [
        (collector.grpc(), "grpc"),
        (collector.http(), "http/protobuf"),
    ] {
        let endpoint = endpoint.replace("http://", "https://");
        let variables = [
            ("ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("SSL_CERT_FILE", trusted),
        ];
        let finished = Finished::run("whole", &variables);
        assert_eq!(finished.warnings(), Vec::<String>::new(), "{protocol}");
        let stranger = Finished::run("whole", &variables[..2]);
        assert_eq!(stranger.warnings().len(), 1, "{protocol}");
    }
    assert_eq!(collector.spans(14).len(), 14);
}

#[test]
fn without_a_collector_nothing_is_started_and_the_log_still_names_the_trace() {
    let finished = Finished::run("whole", &[("TRACEPARENT", &traceparent("01"))]);
    assert_eq!(finished.value("new_threads"), "");
    let log = finished.log();
    assert_eq!(log.len(), 4);
    for line in log {
        assert_eq!(line["trace_id"], TRACE);
        assert_eq!(line["span_id"], PARENT);
        assert!(!line.contains_key("rank"), "one process has no rank");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(line["level"], "INFO");
    }
    let alone = Finished::run("whole", &[]);
    assert!(
        alone
            .log()
            .iter()
            .all(|line| !line.contains_key("trace_id"))
    );
}

#[test]
fn a_collector_is_spoken_to_by_threads_of_its_own() {
    let collector = Collector::start();
    Finished::run("threads", &[("ENDPOINT", &collector.grpc())]);
}

#[test]
fn a_malformed_traceparent_is_said_and_does_not_stop_the_work() {
    let finished = Finished::run("whole", &[("TRACEPARENT", "00-nonsense")]);
    assert_eq!(finished.warnings().len(), 1);
    assert!(finished.warnings()[0].contains("TRACEPARENT"));
}

/// A batch may take 10 s, and a full queue would wait for several: a bound that only a missing limit exceeds.
const TOO_LONG: Duration = Duration::from_secs(8);

fn assert_not_delayed(finished: &Finished) {
    assert!(finished.milliseconds("worked_ms") < TOO_LONG);
    assert!(finished.milliseconds("flushed_ms") < TOO_LONG);
    assert_eq!(finished.warnings().len(), 1, "{:?}", finished.warnings());
}

#[test]
fn a_collector_that_is_not_there_delays_nothing_and_is_warned_of_once() {
    // Bound and not listening: nobody answers there, and nobody else can.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = format!("http://{}", socket.local_addr().unwrap());
    for protocol in ["grpc", "http/protobuf"] {
        let variables = [
            ("ENDPOINT", gone.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ];
        assert_not_delayed(&Finished::run("flood", &variables));
    }
}

#[test]
fn a_collector_that_never_answers_delays_nothing() {
    // The kernel completes the connection; nobody ever reads from it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    for protocol in ["grpc", "http/protobuf"] {
        let variables = [
            ("ENDPOINT", silent.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ];
        assert_not_delayed(&Finished::run("flood", &variables));
    }
}

#[test]
fn a_collector_that_refuses_every_batch_is_warned_of_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let refused = std::thread::spawn(move || refuse_until_quiet(&listener));
    let finished = Finished::run(
        "drip",
        &[
            ("ENDPOINT", &address),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ],
    );
    // The last request tells the thread that the child is done.
    let _ = ureq::get(format!("{address}/stop")).call();
    assert!(refused.join().unwrap() > 1, "one batch would prove nothing");
    assert_eq!(finished.warnings().len(), 1, "{:?}", finished.warnings());
}

/// Answers 403 to everything, one request a connection, until one asks for `/stop`; counts the others.
fn refuse_until_quiet(listener: &TcpListener) -> usize {
    for count in 0.. {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut head = Vec::new();
        let mut buffer = [0; 4096];
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            let length = stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the request ends early");
            head.extend_from_slice(&buffer[..length]);
        }
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .unwrap();
        if head.starts_with(b"GET /stop") {
            return count;
        }
    }
    unreachable!("a TCP listener does not end")
}
