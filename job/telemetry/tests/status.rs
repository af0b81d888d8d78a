//! The status page, asked by real clients, in good order and in bad.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{DEADLINE, child_process, wait_for};
use serde_json::{Value, json};
use splade_telemetry::{
    ActiveDimensions, EvaluationRecord, Phase, Progress, ProgressReport, StatusServer, StepReport,
    Telemetry, TrainingStart, serve, serve_by_environment,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;

fn server(progress: &Progress) -> StatusServer {
    serve("127.0.0.1:0".parse().unwrap(), progress.clone()).unwrap()
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(DEADLINE));
    config.build().into()
}

fn get(server: &StatusServer, path: &str) -> Response<ureq::Body> {
    let url = format!("http://{}{path}", server.local_addr());
    agent().get(url).call().unwrap()
}

fn status(server: &StatusServer, path: &str) -> u16 {
    get(server, path).status().as_u16()
}

fn training(stall_after: Option<Duration>) -> TrainingStart {
    TrainingStart {
        name: "small".to_owned(),
        attempt: 3,
        world_size: 8,
        resumed_from: Some("file:///runs/step-00000100".to_owned()),
        step: 100,
        total_steps: 2000,
        stall_after,
    }
}

fn connect(server: &StatusServer) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// What a server sends until it closes; a reset is an end as well.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_ne!(
            error.kind(),
            std::io::ErrorKind::WouldBlock,
            "the server never closed"
        );
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn progress_is_what_the_training_reported() {
    let progress = Progress::default();
    let server = server(&progress);
    progress.begin(training(None));
    progress.enter(Phase::Training);
    progress.advance(150);
    progress.report(StepReport {
        step: 150,
        epoch: 2,
        loss: 1.5,
        measures: [("infonce".to_owned(), 1.25), ("kl".to_owned(), f64::NAN)].into(),
        active_dimensions: Some(ActiveDimensions {
            query: 12.0,
            document: 130.5,
        }),
        triplets_per_second: 371.0,
        tokens_per_second: 90_000.0,
        mfu: 0.25,
        eta_seconds: 3600,
    });
    progress.checkpoint("file:///runs/step-00000150".to_owned(), 150);
    progress.evaluation(EvaluationRecord {
        metric: "ndcg@10".to_owned(),
        value: 0.5,
        best: 0.75,
        best_step: 100,
    });
    let mut response = get(&server, "/progress");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let text = response.body_mut().read_to_string().unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let report: ProgressReport = serde_json::from_str(&text).unwrap();
    assert_eq!(
        report,
        progress.snapshot(),
        "what is read back is what was written"
    );
    let left = report.estimated_completion_time.unwrap() - report.last_reported.unwrap();
    assert_eq!(left.total(jiff::Unit::Second).unwrap(), 3600.0);
    let object = value.as_object_mut().unwrap();
    for time in ["estimatedCompletionTime", "lastReported"] {
        let time = object.remove(time).unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time} is RFC 3339");
    }
    let time = object["checkpoint"].as_object_mut().unwrap().remove("time");
    assert!(time.unwrap().as_str().unwrap().ends_with('Z'));
    assert_eq!(
        value,
        json!({
            "name": "small", "phase": "Training", "attempt": 3, "worldSize": 8,
            "resumedFrom": "file:///runs/step-00000100",
            "epoch": 2, "step": 150, "totalSteps": 2000, "loss": 1.5,
            "measures": {"infonce": 1.25},
            "activeDimensions": {"query": 12.0, "document": 130.5},
            "tripletsPerSecond": 371.0, "tokensPerSecond": 90000.0, "mfu": 0.25, "etaSeconds": 3600,
            "checkpoint": {"uri": "file:///runs/step-00000150", "step": 150},
            "evaluation": {"metric": "ndcg@10", "value": 0.5, "best": 0.75, "bestStep": 100},
        })
    );
}

#[test]
fn what_is_not_known_is_left_out_and_a_new_training_starts_over() {
    let progress = Progress::default();
    progress.report(StepReport {
        loss: f64::NAN,
        mfu: f64::INFINITY,
        eta_seconds: u64::MAX,
        ..StepReport::default()
    });
    let report = progress.snapshot();
    assert_eq!((report.loss, report.mfu), (None, None));
    assert_eq!(report.estimated_completion_time, None);
    progress.checkpoint("file:///old".to_owned(), 1);
    progress.begin(training(None));
    let report = progress.snapshot();
    assert_eq!(report.step, 100);
    assert_eq!(report.checkpoint, None);
    assert_eq!(report.phase, Phase::Preparing);
}

#[test]
fn other_paths_and_other_methods_are_refused() {
    let server = server(&Progress::default());
    for path in ["/progress", "/metrics", "/healthz"] {
        assert_eq!(status(&server, path), 200, "{path}");
        let url = format!("http://{}{path}", server.local_addr());
        let refused = agent().post(&url).send("x").unwrap();
        assert_eq!(refused.status(), 405, "{path}");
        assert_eq!(refused.headers()["allow"], "GET, HEAD");
        let mut head = agent().head(&url).call().unwrap();
        assert_eq!(head.status(), 200, "{path}");
        assert_eq!(head.body_mut().read_to_string().unwrap(), "");
    }
    for path in [
        "/",
        "/progress/",
        "/etc/passwd",
        "/../progress",
        "/healthz%00",
    ] {
        assert_eq!(status(&server, path), 404, "{path}");
    }
    assert_eq!(status(&server, "/healthz?verbose=1"), 200);
}

#[test]
fn a_stall_is_told_and_over_with_the_next_step() {
    let progress = Progress::default();
    let server = server(&progress);
    let stalled = |progress: &Progress| {
        wait_for("stall", || {
            (status(&server, "/healthz") == 503).then_some(())
        });
        assert!(progress.stalled_for().is_some());
    };
    progress.begin(training(Some(Duration::from_millis(500))));
    progress.enter(Phase::Training);
    stalled(&progress);
    let text = get(&server, "/healthz")
        .body_mut()
        .read_to_string()
        .unwrap();
    assert!(text.starts_with("stalled: no step for "), "{text}");
    // Each sign of life ends it; on a busy machine the next stall may come before the answer.
    for sign in [
        (|progress| progress.advance(101)) as fn(&Progress),
        |progress| progress.beat(),
        |progress| progress.checkpoint("file:///x".to_owned(), 101),
        |progress| progress.enter(Phase::Evaluating),
    ] {
        wait_for("life", || {
            sign(&progress);
            (status(&server, "/healthz") == 200).then_some(())
        });
        stalled(&progress);
    }
    // No steps are due where no steps are made.
    progress.enter(Phase::Exporting);
    assert_eq!(progress.stalled_for(), None);
    assert_eq!(status(&server, "/healthz"), 200);
}

#[test]
fn slow_clients_hold_up_nobody_and_are_let_go() {
    let server = server(&Progress::default());
    let mut slow: Vec<TcpStream> = (0..40).map(|_| connect(&server)).collect();
    for stream in &mut slow {
        stream
            .write_all(b"GET /progress HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            .unwrap();
    }
    assert_eq!(status(&server, "/progress"), 200);
    for stream in slow {
        let text = rest(stream);
        assert!(
            !text.contains(" 200 "),
            "half a request was answered: {text}"
        );
    }
}

#[test]
fn more_clients_than_there_are_places_wait_for_one() {
    let server = server(&Progress::default());
    // They say nothing at all.
    let slow: Vec<TcpStream> = (0..100).map(|_| connect(&server)).collect();
    assert_eq!(status(&server, "/progress"), 200);
    drop(slow);
    assert_eq!(status(&server, "/progress"), 200);
}

#[test]
fn what_is_no_request_or_too_large_a_one_is_refused() {
    let server = server(&Progress::default());
    let mut garbage = connect(&server);
    garbage
        .write_all(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        .unwrap();
    let text = rest(garbage);
    assert!(text.is_empty() || text.contains(" 400 "), "{text}");

    let mut large = connect(&server);
    let head = format!(
        "GET /progress HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n",
        "a".repeat(1 << 20)
    );
    // The server may hang up before it has been said in full.
    let _ = large.write_all(head.as_bytes());
    let text = rest(large);
    assert!(!text.contains(" 200 "), "{text}");

    let mut body = connect(&server);
    let head = b"GET /progress HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n";
    body.write_all(head).unwrap();
    let text = rest(body);
    assert!(text.contains(" 200 "), "the body is not waited for: {text}");
    assert_eq!(status(&server, "/progress"), 200);
}

#[test]
fn it_answers_until_it_is_dropped() {
    let server = server(&Progress::default());
    let address = server.local_addr();
    let idle = connect(&server);
    assert_eq!(status(&server, "/healthz"), 200);
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(rest(idle), "");
}

#[test]
fn an_address_in_use_is_named() {
    let server = server(&Progress::default());
    let error = serve(server.local_addr(), Progress::default()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(&server.local_addr().to_string()),
        "{message}"
    );
}

/// Whether a process with these variables serves.
#[test]
#[ignore = "the other tests run it in a process of its own"]
fn child() {
    let telemetry = Telemetry::start("test", "1").unwrap();
    let served = serve_by_environment(telemetry.progress(), telemetry.rank());
    let what = match served {
        Ok(Some(server)) => status(&server, "/healthz").to_string(),
        Ok(None) => "none".to_owned(),
        Err(error) => error.to_string(),
    };
    println!("\nout {what}");
}

#[test]
fn the_first_rank_serves_where_it_is_asked_to() {
    let served = |variables: &[(&str, &str)]| {
        let output = child_process(variables).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("out "));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let address = ("SPLADE_STATUS_ADDRESS", "127.0.0.1:0");
    assert_eq!(served(&[]), "none");
    assert_eq!(served(&[address]), "200");
    assert_eq!(
        served(&[address, ("RANK", "0"), ("WORLD_SIZE", "2")]),
        "200"
    );
    assert_eq!(
        served(&[address, ("RANK", "1"), ("WORLD_SIZE", "2")]),
        "none"
    );
    let error = served(&[("SPLADE_STATUS_ADDRESS", "localhost")]);
    assert!(error.contains("SPLADE_STATUS_ADDRESS=localhost"), "{error}");
}
