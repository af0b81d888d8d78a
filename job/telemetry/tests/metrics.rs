//! `/metrics` as Prometheus' own parser and linter read it, and as the documentation lists it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{child_process, tool};
use serde::Deserialize;
use splade_telemetry::{
    ActiveDimensions, EvaluationRecord, Gpus, Phase, Progress, StepReport, TrainingStart, serve,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A metric as Prometheus understands it.
#[derive(Debug, Deserialize)]
struct Family {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    help: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
struct Sample {
    labels: BTreeMap<String, String>,
    value: f64,
}

/// What a child prints: a scrape of a run that has everything to tell.
#[test]
#[ignore = "the other tests run it in a process of its own"]
fn child() {
    let progress = Progress::default();
    progress.begin(TrainingStart {
        name: "small".to_owned(),
        attempt: 2,
        world_size: 8,
        resumed_from: None,
        step: 100,
        total_steps: 2000,
        stall_after: None,
    });
    progress.enter(Phase::Training);
    progress.advance(150);
    progress.report(StepReport {
        step: 150,
        epoch: 1,
        loss: 1.5,
        measures: [
            ("infonce".to_owned(), 1.25),
            ("a \"quoted\\name\"".to_owned(), 2.0),
        ]
        .into(),
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
    let server = serve("127.0.0.1:0".parse().unwrap(), progress).unwrap();
    let url = format!("http://{}/metrics", server.local_addr());
    let mut response = ureq::get(url).call().unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    std::fs::write(
        std::env::var("OUT").unwrap(),
        response.body_mut().read_to_string().unwrap(),
    )
    .unwrap();
    println!(
        "\nout {:?} {:?}",
        Gpus::open().driver_version(),
        Gpus::open().read()
    );
}

/// A scrape of the child, with or without the stand-in for the GPUs' library, and what it printed of the GPUs.
fn scrape(with_gpus: bool) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("metrics.txt");
    if with_gpus {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_in/nvml.c");
        let built = Command::new("gcc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&folder.path().join("libnvidia-ml.so.1"), &source])
            .status();
        assert!(built.unwrap().success());
    }
    let output = child_process(&[("OUT", out.to_str().unwrap())])
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let gpus = printed.lines().find_map(|line| line.strip_prefix("out "));
    (
        std::fs::read_to_string(out).unwrap(),
        gpus.unwrap().to_owned(),
    )
}

/// Prometheus' parser and linter; a problem fails the test.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut lint = Command::new(tool("promlint"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promlint starts; `make setup` builds it");
    lint.stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = lint.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    let families = lines
        .lines()
        .map(|line| serde_json::from_str::<Family>(line).unwrap());
    families
        .map(|family| (family.name.clone(), family))
        .collect()
}

/// Rows of the documentation's table: name, type, labels.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/observability.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| `splade_job_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let labels = cells[2]
            .split(',')
            .map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (
            cells[0].trim_matches('`').to_owned(),
            (cells[1].to_owned(), labels),
        )
    })
    .collect()
}

#[test]
fn prometheus_reads_what_the_documentation_lists() {
    let (text, gpus) = scrape(true);
    let families = parse(&text);
    let served: BTreeMap<_, _> = families
        .values()
        .map(|family| {
            let labels = family
                .samples
                .iter()
                .flat_map(|sample| sample.labels.keys().cloned());
            (
                family.name.clone(),
                (family.kind.to_lowercase(), labels.collect()),
            )
        })
        .collect();
    assert_eq!(
        served,
        documented(),
        "docs/observability.md and /metrics differ"
    );
    assert!(families.values().all(|family| family.help.ends_with('.')));
    let values = |name: &str, label: &str| -> Vec<(String, f64)> {
        let samples = families[name].samples.iter();
        samples
            .map(|sample| {
                (
                    sample.labels.get(label).cloned().unwrap_or_default(),
                    sample.value,
                )
            })
            .collect()
    };
    let value = |name: &str| values(name, "")[0].1;
    assert_eq!(value("splade_job_steps_total"), 150.0);
    assert_eq!(value("splade_job_target_steps"), 2000.0);
    assert_eq!(value("splade_job_loss"), 1.5);
    assert_eq!(value("splade_job_mfu_ratio"), 0.25);
    assert_eq!(value("splade_job_eta_seconds"), 3600.0);
    assert_eq!(value("splade_job_stalled"), 0.0);
    assert!(value("splade_job_peak_memory_bytes") > 1e6);
    let now = jiff::Timestamp::now().as_second() as f64;
    assert!((now - value("splade_job_last_step_timestamp_seconds")).abs() < 3600.0);
    assert_eq!(
        values("splade_job_measure", "measure"),
        [
            ("a \"quoted\\name\"".to_owned(), 2.0),
            ("infonce".to_owned(), 1.25)
        ]
    );
    assert_eq!(
        values("splade_job_evaluation_best", "metric"),
        [("ndcg@10".to_owned(), 0.75)]
    );
    let phases = values("splade_job_phase", "phase");
    assert_eq!(phases.len(), Phase::ALL.len());
    assert!(
        phases
            .iter()
            .all(|(phase, value)| *value == f64::from(u8::from(phase == "Training")))
    );

    // GPUs: percent, bytes and milliwatts in base units; what a GPU does not tell has no series.
    let gibibyte = f64::from(1 << 30);
    let of = |first: f64| vec![("0".to_owned(), first)];
    assert_eq!(values("splade_job_gpu_utilization_ratio", "gpu"), of(0.87));
    assert_eq!(
        values("splade_job_gpu_temperature_celsius", "gpu"),
        of(64.0)
    );
    assert_eq!(values("splade_job_gpu_power_watts", "gpu"), of(612.5));
    let both = |first: f64, second: f64| vec![("0".to_owned(), first), ("1".to_owned(), second)];
    assert_eq!(
        values("splade_job_gpu_memory_used_bytes", "gpu"),
        both(20.0 * gibibyte, 0.0)
    );
    assert_eq!(
        values("splade_job_gpu_memory_size_bytes", "gpu"),
        both(80.0 * gibibyte, 80.0 * gibibyte)
    );
    assert!(
        gpus.contains("580.65.06") && gpus.contains("Stand-in B"),
        "{gpus}"
    );
}

#[test]
fn before_a_training_begins_nothing_is_made_up() {
    let server = serve("127.0.0.1:0".parse().unwrap(), Progress::default()).unwrap();
    let url = format!("http://{}/metrics", server.local_addr());
    let text = ureq::get(url)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    let families = parse(&text);
    let names: Vec<&str> = families
        .keys()
        .map(String::as_str)
        .filter(|name| !name.contains("_gpu_"))
        .collect();
    assert_eq!(
        names,
        [
            "splade_job_build_info",
            "splade_job_peak_memory_bytes",
            "splade_job_phase"
        ]
    );
}
