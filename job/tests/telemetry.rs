//! A real run, watched from outside: its traces in a collector, its progress over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "../telemetry/tests/common/mod.rs"]
mod watch;

use common::workspace::{Recipe, Workspace};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use watch::collector::{Collector, Span, named};
use watch::wait_for;

const PARENT: &str = "00f067aa0ba902b7";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn splade_job(workspace: &Workspace, manifest: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_splade-job"));
    command
        .args(["run", "-f"])
        .arg(manifest)
        .current_dir(workspace.path())
        .env("TRACEPARENT", TRACEPARENT)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn endpoint(collector: &Collector) -> String {
    format!(
        "  telemetry: {{logEverySteps: 1, otlpEndpoint: '{}'}}\n",
        collector.grpc()
    )
}

/// The manifest with other settings of telemetry.
fn with_telemetry(manifest: &Path, telemetry: &str) {
    let text = std::fs::read_to_string(manifest).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("  telemetry:"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    std::fs::write(manifest, text + telemetry).unwrap();
}

#[test]
fn the_spans_of_a_run_hang_together() {
    let collector = Collector::start();
    let workspace = Workspace::new();
    let manifest = workspace.manifest(&Recipe {
        max_steps: 4,
        every_steps: 2,
        extra: "  export: {uri: runs/small/export}\n  benchmarks:\n    - {name: heldout, dataset: {name: quickstart, uri: data}, methods: [BM25]}\n".into(),
        ..Recipe::default()
    });
    let text = std::fs::read_to_string(&manifest).unwrap();
    let text = text.replace(
        "train: [data/train.jsonl],",
        "train: [data/train.jsonl], validation: [data/train.jsonl],",
    );
    std::fs::write(&manifest, text).unwrap();
    with_telemetry(&manifest, &endpoint(&collector));
    let output = splade_job(&workspace, &manifest).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");

    let spans = collector.spans(8);
    let names = |name: &str| spans.iter().filter(|span| span.name == name).count();
    assert_eq!(
        [
            "run",
            "epoch",
            "checkpoint",
            "evaluation",
            "export",
            "benchmark"
        ]
        .map(names),
        [1, 1, 2, 2, 1, 1]
    );
    let run = named(&spans, "run");
    assert_eq!(run.parent, PARENT);
    assert_eq!(run.attributes["splade.training.name"], "small");
    assert_eq!(run.resource["service.version"], env!("CARGO_PKG_VERSION"));
    let epoch = named(&spans, "epoch");
    let parent = |name: &str| -> Vec<&str> {
        let found = spans.iter().filter(|span| span.name == name);
        found.map(|span| span.parent.as_str()).collect()
    };
    assert_eq!(parent("epoch"), [&run.id]);
    assert_eq!(parent("checkpoint"), [&epoch.id, &epoch.id]);
    assert_eq!(parent("evaluation"), [&epoch.id, &epoch.id]);
    assert_eq!(parent("export"), [&run.id]);
    assert_eq!(parent("benchmark"), [&run.id]);
    assert!(
        spans
            .iter()
            .all(|span: &Span| span.trace == run.trace && span.status == 0)
    );
    let last = workspace.newest_checkpoint("small");
    let uris = spans
        .iter()
        .filter_map(|span| span.attributes.get("splade.checkpoint.uri"));
    assert!(
        uris.into_iter()
            .any(|uri| last.ends_with(uri.as_str().unwrap()))
    );

    // A log line of the training leads to its span.
    let lines = errors
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let step = lines
        .into_iter()
        .find(|line| line["message"] == "step")
        .unwrap();
    assert_eq!(step["trace_id"], run.trace.as_str());
    assert_eq!(step["span_id"], epoch.id.as_str());
}

#[test]
fn a_run_that_fails_says_so_in_its_trace() {
    let collector = Collector::start();
    let workspace = Workspace::new();
    let manifest = workspace.manifest(&Recipe::default());
    with_telemetry(&manifest, &endpoint(&collector));
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(
        &manifest,
        text.replace("data/train.jsonl", "data/none.jsonl"),
    )
    .unwrap();
    let output = splade_job(&workspace, &manifest).output().unwrap();
    assert_eq!(output.status.code(), Some(66));
    let spans = collector.spans(1);
    let run = named(&spans, "run");
    assert_eq!(run.status, 2);
    assert!(run.message.contains("none.jsonl"), "{}", run.message);
}

#[test]
fn an_address_that_cannot_be_used_is_bad_configuration() {
    let workspace = Workspace::new();
    let manifest = workspace.manifest(&Recipe::default());
    let run = |name: &str, value: &str| {
        let output = splade_job(&workspace, &manifest)
            .env(name, value)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{name}");
        let errors = String::from_utf8(output.stderr).unwrap();
        errors.lines().last().unwrap().to_owned()
    };
    assert!(run("SPLADE_STATUS_ADDRESS", "here").contains("SPLADE_STATUS_ADDRESS=here"));
    assert!(run("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317").contains("http://"));
}

#[test]
fn a_run_answers_while_it_trains() {
    let workspace = Workspace::new();
    let manifest = workspace.manifest(&Recipe {
        // Far from over while it is asked.
        max_steps: 100_000,
        every_steps: 2,
        ..Recipe::default()
    });
    let log = workspace.path().join("log");
    let mut job = splade_job(&workspace, &manifest)
        .env("SPLADE_STATUS_ADDRESS", "127.0.0.1:0")
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let address = wait_for("address in the log", || {
        let text = std::fs::read_to_string(&log).unwrap();
        let line = text.lines().find(|line| line.contains("/healthz"))?;
        let line: Value = serde_json::from_str(line).ok()?;
        Some(line["address"].as_str().unwrap().to_owned())
    });
    let get = |path: &str| {
        let mut response = ureq::get(format!("http://{address}{path}")).call().unwrap();
        response.body_mut().read_to_string().unwrap()
    };
    let progress = wait_for("checkpoint in the progress", || {
        let progress: Value = serde_json::from_str(&get("/progress")).unwrap();
        (progress["checkpoint"]["step"].as_u64()? >= 2).then_some(progress)
    });
    assert_eq!(progress["name"], "small");
    assert_eq!(progress["phase"], "Training");
    assert_eq!(
        (progress["attempt"].as_u64(), progress["worldSize"].as_u64()),
        (Some(1), Some(1))
    );
    assert_eq!(progress["totalSteps"], 100_000);
    let step = progress["step"].as_u64().unwrap();
    assert!((2..100_000).contains(&step));
    for measure in [
        "loss",
        "tripletsPerSecond",
        "tokensPerSecond",
        "mfu",
        "etaSeconds",
    ] {
        assert!(progress[measure].as_f64().unwrap() > 0.0, "{measure}");
    }
    assert!(progress["measures"]["infonce"].as_f64().unwrap() > 0.0);
    assert!(progress["activeDimensions"]["document"].as_f64().unwrap() > 0.0);
    assert!(get("/metrics").contains("\nsplade_job_steps_total "));
    assert_eq!(get("/healthz"), "ok\n");
    job.kill().unwrap();
    job.wait().unwrap();
}
