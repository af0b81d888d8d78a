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
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use watch::collector::{Collector, Span, named};
use watch::wait_for;

const PARENT: &str = "00f067aa0ba902b7";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn splade_job(workspace: &Workspace, phase: &str, manifest: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_splade-job"));
    command
        .args([phase, "-f"])
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

/// The manifest with triplets that are not there.
fn without_data(manifest: &Path) {
    let text = std::fs::read_to_string(manifest).unwrap();
    let text = text.replace("data/train.jsonl", "data/none.jsonl");
    std::fs::write(manifest, text).unwrap();
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
    let output = splade_job(&workspace, "run", &manifest).output().unwrap();
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
    without_data(&manifest);
    let output = splade_job(&workspace, "run", &manifest).output().unwrap();
    assert_eq!(output.status.code(), Some(66));
    let spans = collector.spans(1);
    let run = named(&spans, "run");
    assert_eq!(run.status, 2);
    assert!(run.message.contains("none.jsonl"), "{}", run.message);
}

/// The manifest of two ranks on this machine.
fn two_ranks(workspace: &Workspace, recipe: &Recipe, telemetry: &str) -> PathBuf {
    let manifest = workspace.manifest(recipe);
    with_telemetry(&manifest, telemetry);
    let text = std::fs::read_to_string(&manifest).unwrap();
    let text = text
        .replace("devicesPerNode: 1", "devicesPerNode: 2")
        .replace("batchSizePerDevice: 8", "batchSizePerDevice: 4");
    std::fs::write(&manifest, text).unwrap();
    manifest
}

/// Everything that the collector got from what has ended before.
fn all_spans(collector: &Collector, workspace: &Workspace) -> Vec<Span> {
    // What comes after is all that has come.
    let last = workspace.manifest(&Recipe {
        name: "last",
        ..Recipe::default()
    });
    with_telemetry(&last, &endpoint(collector));
    without_data(&last);
    let output = splade_job(workspace, "run", &last).output().unwrap();
    assert_eq!(output.status.code(), Some(66));
    let is_last = |span: &Span| span.attributes.get("splade.training.name") == Some(&"last".into());
    let mut spans = wait_for("the last span", || {
        let spans = collector.spans(1);
        spans.iter().any(is_last).then_some(spans)
    });
    spans.retain(|span| !is_last(span));
    spans
}

fn ranks_of(spans: &[Span], name: &str) -> Vec<i64> {
    let named = spans.iter().filter(|span| span.name == name);
    let mut ranks: Vec<i64> = named
        .map(|span| span.resource["splade.rank"].as_i64().unwrap())
        .collect();
    ranks.sort_unstable();
    ranks
}

#[test]
fn a_launch_holds_the_runs_of_its_ranks() {
    let collector = Collector::start();
    let workspace = Workspace::new();
    let recipe = Recipe {
        max_steps: 4,
        ..Recipe::default()
    };
    let manifest = two_ranks(&workspace, &recipe, &endpoint(&collector));
    let output = splade_job(&workspace, "launch", &manifest)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");

    let spans = all_spans(&collector, &workspace);
    let launch = named(&spans, "launch");
    assert_eq!(launch.parent, PARENT);
    assert_eq!(launch.status, 0);
    for (name, value) in [
        ("splade.node_rank", Value::from(0)),
        ("splade.nodes", 1.into()),
        ("splade.ranks_per_node", 2.into()),
        ("splade.outcome", "Succeeded".into()),
        ("splade.exit_code", 0.into()),
    ] {
        assert_eq!(launch.attributes[name], value, "{name}");
    }
    assert!(!launch.resource.contains_key("splade.rank"));
    let runs = spans.iter().filter(|span| span.name == "run");
    assert!(
        runs.into_iter()
            .all(|run| run.parent == launch.id && run.resource["splade.world_size"] == 2)
    );
    assert_eq!(ranks_of(&spans, "run"), [0, 1]);
    // Ranks keep in step: one tells for all.
    assert_eq!(ranks_of(&spans, "epoch"), [0]);
    assert_eq!(ranks_of(&spans, "checkpoint"), [0, 0]);
    assert_eq!(spans.len(), 6);
    assert!(spans.iter().all(|span| span.trace == launch.trace));
}

#[test]
fn a_run_that_starts_ranks_holds_their_runs() {
    let collector = Collector::start();
    let workspace = Workspace::new();
    let recipe = Recipe {
        max_steps: 2,
        ..Recipe::default()
    };
    let manifest = two_ranks(&workspace, &recipe, &endpoint(&collector));
    let output = splade_job(&workspace, "run", &manifest).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let spans = all_spans(&collector, &workspace);
    let (of_ranks, own): (Vec<&Span>, Vec<&Span>) = spans
        .iter()
        .filter(|span| span.name == "run")
        .partition(|span| span.resource.contains_key("splade.rank"));
    assert_eq!((of_ranks.len(), own.len()), (2, 1));
    assert_eq!(own[0].parent, PARENT);
    assert!(of_ranks.iter().all(|run| run.parent == own[0].id));
}

#[test]
fn a_launch_that_is_asked_to_leave_sends_its_spans() {
    let collector = Collector::start();
    let workspace = Workspace::new();
    let recipe = Recipe {
        // Far from over when it is asked.
        max_steps: 100_000,
        ..Recipe::default()
    };
    let manifest = two_ranks(&workspace, &recipe, &endpoint(&collector));
    let mut launcher = splade_job(&workspace, "launch", &manifest)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let first = "runs/small/checkpoints/attempt-0001/step-00000002/MANIFEST.json";
    wait_for("checkpoint", || {
        workspace.path().join(first).exists().then_some(())
    });
    let asked = Command::new("kill")
        .args(["-TERM", &launcher.id().to_string()])
        .status();
    assert!(asked.unwrap().success());
    assert_eq!(launcher.wait().unwrap().code(), Some(75));
    let spans = all_spans(&collector, &workspace);
    let launch = named(&spans, "launch");
    assert_eq!(launch.attributes["splade.outcome"], "Interrupted");
    assert_eq!(launch.attributes["splade.exit_code"], 75);
    assert_eq!(launch.status, 2);
    assert_eq!(ranks_of(&spans, "run"), [0, 1]);
}

#[test]
fn a_launch_whose_collector_never_answers_ends_as_it_would() {
    // The kernel completes the connection; nobody ever reads from it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!(
        "  telemetry: {{otlpEndpoint: 'http://{}'}}\n",
        listener.local_addr().unwrap()
    );
    let workspace = Workspace::new();
    let recipe = Recipe {
        max_steps: 2,
        ..Recipe::default()
    };
    let manifest = two_ranks(&workspace, &recipe, &silent);
    let output = splade_job(&workspace, "launch", &manifest)
        .args(["--termination-log", "ended.json"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let message = std::fs::read_to_string(workspace.path().join("ended.json")).unwrap();
    assert!(message.contains("Succeeded"), "{message}");
    // Two ranks and their launcher.
    let warns = |line: &&str| line.contains("WARN") && line.contains("traces");
    assert_eq!(errors.lines().filter(warns).count(), 3, "{errors}");
}

#[test]
fn an_address_that_cannot_be_used_is_bad_configuration() {
    let workspace = Workspace::new();
    let manifest = workspace.manifest(&Recipe::default());
    let run = |name: &str, value: &str| {
        let output = splade_job(&workspace, "run", &manifest)
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
    let mut job = splade_job(&workspace, "run", &manifest)
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
    let metrics = get("/metrics");
    assert!(metrics.contains("\nsplade_job_steps_total "), "{metrics}");
    assert!(metrics.contains("measure=\"infonce\""), "{metrics}");
    for without_distillation in ["kl", "margin_mse"] {
        let measure = format!("measure=\"{without_distillation}\"");
        assert!(!metrics.contains(&measure), "{metrics}");
    }
    assert_eq!(get("/healthz"), "ok\n");
    job.kill().unwrap();
    job.wait().unwrap();
}
