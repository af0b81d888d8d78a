//! Pods that share a bucket: starts that overlap, servers and rights that do not suffice, and what is left behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::bucket::{Place, STEPS};
use splade_test_faults::{Fault, Injected, Requests, Times};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Waits until a request has met its fault.
fn wait_for(fault: &Injected) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while fault.hits() == 0 {
        assert!(Instant::now() < deadline, "no such request comes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts `first`, which stands still in the middle of its first checkpoint while `second` runs from beginning to
/// end; then both have whole checkpoints and their own log, whole and once.
fn overlap(place: &Place, [first, second]: [(&Path, &str); 2]) {
    let upload = format!("{}/step-00000002/model.safetensors", first.1);
    let held = place.proxy.inject(
        Requests::of("PUT").at(upload),
        Fault::Hold,
        Times::UntilReleased,
    );
    let mut run = place.spawn(&["train"], first.0);
    wait_for(&held);
    place.succeed(&["train"], second.0);
    held.release();
    assert!(run.wait().unwrap().success());
    for (_, attempt) in [first, second] {
        let log = place
            .server
            .ask("GET", &format!("/splade/{attempt}/metrics.jsonl"));
        assert_eq!(log.text().lines().count(), STEPS as usize, "{attempt}");
        assert!(place.whole_checkpoints(attempt) >= 1, "{attempt}");
    }
    let scratch = place.workspace.path().join("splade-job/scratch/twice");
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0, "nothing is left");
}

#[test]
fn two_starts_of_one_training_at_once_do_not_touch_each_others_files() {
    let place = Place::new();
    let manifest = place.manifest("twice", 600);
    let attempts = [
        "twice/checkpoints/attempt-0001",
        "twice/checkpoints/attempt-0002",
    ];
    overlap(
        &place,
        attempts.map(|attempt| (manifest.as_path(), attempt)),
    );
}

#[test]
fn two_trainings_of_one_name_do_not_touch_each_others_files() {
    let place = Place::new();
    let manifest = place.manifest("twice", 600);
    let text = fs::read_to_string(&manifest).unwrap();
    let other = place.workspace.path().join("other.yaml");
    fs::write(&other, text.replace("splade/twice/", "splade/other/")).unwrap();
    overlap(
        &place,
        [
            (&manifest, "twice/checkpoints/attempt-0001"),
            (&other, "other/checkpoints/attempt-0001"),
        ],
    );
}

#[test]
fn a_server_that_ignores_conditions_is_bad_configuration() {
    let place = Place::new();
    let manifest = place.manifest("unconditional", 600);
    place.proxy.inject(
        Requests::of("PUT").at("begun.json"),
        Fault::Unconditional,
        Times::UntilReleased,
    );
    let output = place.run(&["train"], &manifest);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{errors}");
    assert!(errors.contains("If-None-Match"), "{errors}");
}

/// The other rank must not lose patience with the first, which alone knows why it waits.
#[test]
fn storage_that_hangs_ends_a_gang_with_75() {
    let place = Place::new();
    let manifest = place.manifest("hangs", 30);
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text
        .replace("devicesPerNode: 1", "devicesPerNode: 2")
        .replace("batchSizePerDevice: 8", "batchSizePerDevice: 4");
    fs::write(&manifest, text + "  runPolicy: {stallTimeoutSeconds: 40}\n").unwrap();
    place.proxy.inject(
        Requests::of("PUT").at("model.safetensors"),
        Fault::StallUpload,
        Times::UntilReleased,
    );
    let output = place.run(&["launch", "--termination-log", "message.json"], &manifest);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{errors}");
    let message = message(&place);
    assert_eq!(message["error"]["rank"], 0, "{message}");
    let said = message["error"]["message"].as_str().unwrap();
    assert!(said.contains("storageTimeoutSeconds"), "{said}");
}

#[test]
fn a_last_checkpoint_that_has_vanished_is_told_as_that() {
    let place = Place::new();
    let manifest = place.manifest("vanished", 600);
    // It is read again when the run is over.
    let gone = Fault::Refuse {
        status: 404,
        code: "NoSuchKey",
    };
    let damaged = place.proxy.inject(
        Requests::of("GET").at("MANIFEST.json"),
        gone,
        Times::UntilReleased,
    );
    let output = place.run(&["train"], &manifest);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(damaged.hits() > 0, "{errors}");
    assert_eq!(output.status.code(), Some(75), "{errors}");
    assert!(errors.contains("is gone or damaged"), "{errors}");
    assert!(!errors.contains("optimizer.epochs"), "{errors}");
    damaged.release();
    place.succeed(&["train"], &manifest);
}

/// A benchmark of a model in the bucket.
fn benchmark_of(place: &Place, model: &str) -> PathBuf {
    let path = place.workspace.path().join("benchmark.yaml");
    let text = format!(
        "apiVersion: neuralsparse.dev/v1alpha1\nkind: SpladeBenchmark\nmetadata: {{name: alone}}\nspec:\n  \
         model: {{uri: 's3://splade/{model}'}}\n  dataset: {{name: quickstart, uri: data}}\n  methods: [Sparse]\n  \
         pod: {{deviceResource: none}}\n"
    );
    fs::write(&path, text).unwrap();
    path
}

fn message(place: &Place) -> serde_json::Value {
    serde_json::from_slice(&fs::read(place.workspace.path().join("message.json")).unwrap()).unwrap()
}

#[test]
fn results_count_where_the_report_cannot_be_kept_beside_the_model() {
    let place = Place::new();
    place.upload("model", "models/base");
    let benchmark = benchmark_of(&place, "models/base");
    let denied = place.proxy.inject(
        Requests::of("PUT"),
        Fault::Refuse {
            status: 403,
            code: "AccessDenied",
        },
        Times::UntilReleased,
    );
    let arguments = ["benchmark", "--termination-log", "message.json"];
    let log = place.succeed(&arguments, &benchmark);
    assert!(
        log.contains("cannot be kept") && log.contains("AccessDenied"),
        "{log}"
    );
    let without = message(&place);
    assert_eq!(without["outcome"], "Succeeded");
    assert!(without["benchmark"]["reportUri"].is_null(), "{without}");
    assert!(
        !without["benchmark"]["results"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    // With the right to write it is kept there, also past a fault that goes away.
    denied.release();
    let fault = place
        .proxy
        .inject(Requests::of("PUT"), Fault::FailAfterCommit, Times::Next(1));
    place.succeed(&arguments, &benchmark);
    assert_eq!(fault.hits(), 1);
    let with = message(&place);
    assert_eq!(
        with["benchmark"]["results"],
        without["benchmark"]["results"]
    );
    assert_eq!(
        with["benchmark"]["reportUri"],
        "s3://splade/models/base/benchmarks/alone.json"
    );
    assert_eq!(place.keys("models/base/benchmarks/").len(), 1);
}

#[test]
fn sigterm_before_there_is_anything_to_save_leaves_a_message() {
    let place = Place::new();
    place.upload("model", "models/base");
    let benchmark = benchmark_of(&place, "models/base");
    let training = place.manifest("stopped", 600);
    let text = fs::read_to_string(&training).unwrap();
    let text = text.replace("base: model", "base: 's3://splade/models/base'");
    fs::write(&training, text + "  export: {uri: runs/export}\n").unwrap();
    for (command, manifest) in [
        ("launch", &training),
        ("export", &training),
        ("benchmark", &benchmark),
    ] {
        let held = place.proxy.inject(
            Requests::of("GET").at("models"),
            Fault::Hold,
            Times::UntilReleased,
        );
        let _ = fs::remove_file(place.workspace.path().join("message.json"));
        let mut run = place.spawn(&[command, "--termination-log", "message.json"], manifest);
        wait_for(&held);
        let asked = Command::new("kill")
            .args(["-TERM", &run.id().to_string()])
            .status();
        assert!(asked.unwrap().success());
        assert_eq!(run.wait().unwrap().code(), Some(75), "{command}");
        let message = message(&place);
        assert_eq!(message["outcome"], "Interrupted", "{command}: {message}");
        assert_eq!(message["exitCode"], 75, "{command}: {message}");
        held.release();
    }
}
