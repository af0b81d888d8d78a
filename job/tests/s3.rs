//! Training whose model, data, checkpoints and export lie in S3, with a server that fails in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::bucket::{Place, STEPS};
use splade_test_faults::{Fault, Moto, Requests, Times};
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn kill_9_and_a_bad_network_lose_nothing() {
    let place = Place::new();
    let straight = place.manifest("straight", 600);
    place.succeed(&["train"], &straight);
    let killed = place.manifest("killed", 600);
    for attempt in 1..=2 {
        let mut run = place.spawn(&["train"], &killed);
        place.wait_for_checkpoint("killed", attempt);
        run.kill().unwrap();
        run.wait().unwrap();
    }
    // What comes next on the way there and back.
    let slow_down = Fault::Refuse {
        status: 503,
        code: "SlowDown",
    };
    let weights = || Requests::of("GET").at("model.safetensors");
    let faults = [
        place
            .proxy
            .inject(weights(), Fault::Truncate, Times::Next(1)),
        place
            .proxy
            .inject(weights(), Fault::Corrupt, Times::Next(1)),
        place
            .proxy
            .inject(Requests::of("PUT"), slow_down, Times::Next(3)),
        place.proxy.inject(
            Requests::of("PUT").at("optimizer"),
            Fault::Reset,
            Times::Next(1),
        ),
        place.proxy.inject(
            Requests::of("PUT").at("MANIFEST"),
            Fault::FailAfterCommit,
            Times::Next(1),
        ),
    ];
    let log = place.succeed(&["train"], &killed);
    assert!(log.contains("resuming"), "{log}");
    let hits: Vec<u32> = faults.iter().map(|fault| fault.hits()).collect();
    assert_eq!(hits, [1, 1, 3, 1, 1], "all of it happened");
    assert_eq!(place.digest("straight"), place.digest("killed"));
    let scratch = place.workspace.path().join("splade-job/scratch/killed");
    assert_eq!(
        fs::read_dir(scratch).unwrap().count(),
        0,
        "what the killed ones had on this machine is gone"
    );
    let attempts = place.keys("killed/checkpoints/attempt-0003/");
    let whole = attempts
        .iter()
        .filter(|key| key.ends_with("MANIFEST.json"))
        .count();
    assert_eq!(whole, 3, "keepLast: {attempts:?}");
    assert!(
        attempts.iter().any(|key| key.ends_with("metrics.jsonl")),
        "{attempts:?}"
    );
}

#[test]
fn training_goes_on_while_storage_is_away() {
    let place = Place::new();
    let manifest = place.manifest("away", 600);
    let gone = Fault::Refuse {
        status: 503,
        code: "SlowDown",
    };
    let outage = place.proxy.inject(
        Requests::of("PUT").at("step-00000002"),
        gone,
        Times::UntilReleased,
    );
    let mut run = place.spawn(&["train"], &manifest);
    // The log grows on this machine although the second step's checkpoint cannot be stored.
    let logs = place
        .workspace
        .path()
        .join("splade-job/scratch/away/attempt-0001-*/logs/metrics.jsonl");
    let deadline = Instant::now() + Duration::from_secs(300);
    let lines = || {
        let mut found = glob::glob(logs.to_str().unwrap()).unwrap();
        let log = found.next().map(|path| fs::read_to_string(path.unwrap()));
        log.map_or(0, |log| log.unwrap_or_default().lines().count())
    };
    while outage.hits() == 0 || lines() < STEPS as usize {
        assert!(Instant::now() < deadline, "{} lines", lines());
        assert!(
            run.try_wait().unwrap().is_none(),
            "it waits for its storage"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    outage.release();
    assert!(run.wait().unwrap().success());
    assert!(!place.digest("away").is_empty());
}

#[test]
fn past_its_limit_an_outage_ends_the_training_with_75() {
    let place = Place::new();
    let manifest = place.manifest("gone", 1);
    place.proxy.inject(
        Requests::of("PUT").at("step-"),
        Fault::Refuse {
            status: 503,
            code: "SlowDown",
        },
        Times::UntilReleased,
    );
    let output = place.run(&["train"], &manifest);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{errors}");
    for part in [
        "storageTimeoutSeconds",
        "no checkpoint could be stored",
        "SlowDown",
    ] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
}

#[test]
fn what_somebody_must_correct_is_said_at_once() {
    let place = Place::new();
    let manifest = place.manifest("wrong", 600);
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        text.replace("s3://splade/", "s3://no-such-bucket/"),
    )
    .unwrap();
    let output = place.run(&["train"], &manifest);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{errors}");
    assert!(errors.contains("no-such-bucket"), "{errors}");

    let strict = Moto::start_refusing_all();
    let manifest = place.manifest("denied", 600);
    let output = place
        .command(&["train"], &manifest)
        .env("AWS_ENDPOINT_URL", strict.endpoint())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{errors}");
    assert!(errors.contains("denied"), "{errors}");
    assert!(!errors.contains("the-secret-key"), "{errors}");
}

#[test]
fn everything_of_a_run_may_lie_in_the_bucket() {
    let place = Place::new();
    place.upload("model", "models/base");
    place.upload("data", "data");
    let manifest = place.workspace.path().join("cloud.yaml");
    fs::write(
        &manifest,
        r#"apiVersion: neuralsparse.dev/v1alpha1
kind: SpladeTraining
metadata: {name: cloud}
spec:
  model: {base: "s3://splade/models/base"}
  data: {train: ["s3://splade/data/train*.jsonl"], hardNegatives: 1, documentMaxLength: 128}
  optimizer: {maxSteps: 4, learningRate: "1e-3", batchSizePerDevice: 4, gradientAccumulationSteps: 1, precision: FP32}
  gang: {nodes: 1, devicesPerNode: 2, deviceResource: none}
  checkpoint: {uri: "s3://splade/cloud/checkpoints", everySteps: 2}
  evaluation: {everySteps: 4, dataset: {name: quickstart, uri: "s3://splade/data"}}
  export: {uri: "s3://splade/cloud/export"}
  benchmarks: [{name: heldout, dataset: {name: quickstart, uri: "s3://splade/data"}, methods: [Sparse]}]
  telemetry: {logEverySteps: 1, tensorboard: "s3://splade/cloud/tensorboard"}
"#,
    )
    .unwrap();
    place.succeed(&["run"], &manifest);
    let keys = place.keys("cloud/");
    for part in [
        "cloud/export/MANIFEST.json",
        "cloud/export/model.safetensors",
        "cloud/export/README.md",
        "cloud/export/benchmarks/cloud-heldout.json",
        "cloud/tensorboard/events",
        "cloud/checkpoints/attempt-0001/step-00000004/MANIFEST.json",
    ] {
        assert!(
            keys.iter().any(|key| key.starts_with(part)),
            "{part} in {keys:?}"
        );
    }
    // Another machine, with nothing but the bucket: nothing is done again.
    fs::remove_dir_all(place.workspace.path().join("splade-job")).unwrap();
    let log = place.succeed(&["run"], &manifest);
    assert!(log.contains("the export is there already"), "{log}");
    assert!(
        place.keys("cloud/checkpoints/attempt-0002").is_empty(),
        "nothing was trained again"
    );
    // The bucket is emptied, and this machine still has the copy of the export.
    let storage = place.storage("cloud/export");
    let keys = place.keys("cloud/export/");
    let keys: Vec<&str> = keys
        .iter()
        .map(|key| key.trim_start_matches("cloud/export/"))
        .collect();
    storage.delete(&keys).unwrap();
    let log = place.succeed(&["run"], &manifest);
    for part in ["the export is there already", "is done already"] {
        assert!(!log.contains(part), "{part} in {log}");
    }
    assert!(!place.keys("cloud/export/MANIFEST.json").is_empty());
}
