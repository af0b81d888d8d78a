//! What correct manifests become.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not recognise as tests

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use splade_crds::manifest::{Resource, parse};
use splade_crds::training::{InitFrom, Precision, TrainingLength, Warmup};
use splade_crds::{Metric, SpladeTraining, StorageUri};

const MINIMAL: &str = "\
apiVersion: neuralsparse.dev/v1alpha1
kind: SpladeTraining
metadata: {name: tiny}
spec:
  model: {base: base}
  data: {train: [train.jsonl]}
  optimizer: {epochs: 1}
  checkpoint: {uri: runs, everySteps: 1}
";

fn training(text: &str) -> SpladeTraining {
    match parse(text).unwrap().remove(0) {
        Resource::Training(training) => *training,
        Resource::Benchmark(benchmark) => panic!("a benchmark: {benchmark:?}"),
    }
}

fn configurations() -> Vec<(PathBuf, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_committed_configuration_is_correct_and_survives_a_round_trip() {
    let files = configurations();
    assert!(files.len() >= 7, "only {} files", files.len());
    for (path, text) in files {
        let resources =
            parse(&text).unwrap_or_else(|errors| panic!("{}:\n{errors}", path.display()));
        for resource in resources {
            let json = match &resource {
                Resource::Training(training) => serde_json::to_string_pretty(training),
                Resource::Benchmark(benchmark) => serde_json::to_string_pretty(benchmark),
            };
            let again = parse(&json.unwrap()).unwrap_or_else(|errors| panic!("{errors}"));
            assert_eq!(again, [resource], "{}", path.display());
        }
    }
}

#[test]
fn defaults_are_those_of_the_headline_recipe() {
    let spec = training(MINIMAL).spec;
    assert!(spec.model.mask_special_tokens);
    assert_eq!(
        (spec.data.query_max_length, spec.data.document_max_length),
        (64, 256)
    );
    assert_eq!(spec.data.hard_negatives, 1);
    assert_eq!(spec.loss.info_nce.as_str(), "1.0");
    assert_eq!(spec.loss.flops.query.as_str(), "0.01");
    assert_eq!(spec.loss.flops.document.as_str(), "0.003");
    assert_eq!(spec.loss.flops.negative, None);
    assert_eq!(spec.loss.flops.schedule.warmup_steps, 20_000);
    assert_eq!(spec.loss.flops.schedule.initial_ratio.as_str(), "0.1");
    assert!(spec.loss.negatives.mask_duplicates && !spec.loss.negatives.cross_rank);
    assert_eq!(spec.optimizer.length(), Ok(TrainingLength::Epochs(1)));
    assert_eq!(
        spec.optimizer.warmup(),
        Ok(Warmup::Ratio("0.1".parse().unwrap()))
    );
    assert_eq!(spec.optimizer.learning_rate.as_str(), "5e-5");
    assert_eq!(spec.optimizer.precision, Precision::BF16);
    assert_eq!(
        (spec.optimizer.batch_size_per_device, spec.optimizer.seed),
        (64, 42)
    );
    assert_eq!(spec.gang.world_size(), 8);
    assert_eq!(spec.gang.device_resource.resource(), Some("nvidia.com/gpu"));
    assert_eq!(spec.run_policy.max_restarts, 3);
    assert_eq!(spec.run_policy.infrastructure_restarts, 50);
    assert_eq!(spec.telemetry.log_every_steps, 10);
}

#[test]
fn the_headline_manifest_is_the_headline_recipe() {
    let text = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../configs/training-v33.yaml"
    ));
    let spec = training(&text.unwrap()).spec;
    let defaults = training(MINIMAL).spec;
    assert_eq!(spec.loss, defaults.loss);
    let batch = spec.optimizer.batch_size_per_device * spec.optimizer.gradient_accumulation_steps;
    assert_eq!(batch * spec.gang.world_size(), 2048);
    assert_eq!(spec.optimizer.length(), Ok(TrainingLength::Epochs(25)));
    assert_eq!(spec.benchmarks.len(), 3);
    assert!(
        spec.benchmarks
            .iter()
            .all(|entry| entry.plan.primary_metric == Metric::SuccessAt1)
    );
}

#[test]
fn phases_are_chained_by_name() {
    let text = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../configs/training-v35.yaml"
    ));
    let phases = parse(&text.unwrap()).unwrap();
    let [Resource::Training(learn), Resource::Training(compress)] = phases.as_slice() else {
        panic!("not two trainings: {phases:?}");
    };
    let Some(InitFrom::TrainingRef(reference)) = &compress.spec.init_from else {
        panic!("no reference: {:?}", compress.spec.init_from);
    };
    assert_eq!(Some(&reference.name), learn.metadata.name.as_ref());
}

#[test]
fn json_is_read_as_yaml_is() {
    let json = serde_json::to_string(&training(MINIMAL)).unwrap();
    assert_eq!(training(&json), training(MINIMAL));
    let indented = serde_json::to_string_pretty(&training(MINIMAL))
        .unwrap()
        .replace("  ", "\t");
    assert_eq!(training(&indented), training(MINIMAL));
}

#[test]
fn null_counts_as_absent_and_aliases_are_followed() {
    let text = MINIMAL.replace(
        "base: base",
        "base: &b base, headRescale: null, maskSpecialTokens: ~",
    ) + "  initFrom: {uri: *b}\n  loss: null\n";
    let spec = training(&text).spec;
    assert_eq!(spec.init_from, Some(InitFrom::Uri(spec.model.base)));
    assert_eq!(spec.loss, training(MINIMAL).spec.loss);
    assert_eq!(spec.model.head_rescale, None);
}

#[test]
fn what_the_server_adds_is_read_too() {
    let text = MINIMAL.replace(
        "metadata: {name: tiny}",
        "metadata:\n  name: tiny\n  namespace: search\n  uid: a-b\n  generation: 2\n  \
         creationTimestamp: \"2026-01-02T03:04:05Z\"\n  labels: {team: search}\n  \
         managedFields: [{fieldsV1: {\"f:spec\": {\".\": {}}}}]",
    ) + "status:\n  state: Running\n  attempt: 2\n";
    let training = training(&text);
    assert_eq!(training.metadata.generation, Some(2));
    assert_eq!(training.status.unwrap().attempt, Some(2));
}

#[test]
fn quantities_may_be_numbers() {
    let text = format!("{MINIMAL}  gang: {{resources: {{limits: {{cpu: 8, memory: 16Gi}}}}}}\n");
    let limits = training(&text).spec.gang.pod.resources.unwrap().limits;
    assert_eq!(limits["cpu"].0, "8");
    assert_eq!(limits["memory"].0, "16Gi");
}

#[test]
fn locations_keep_their_text() {
    let base: StorageUri = "base".parse().unwrap();
    assert_eq!(training(MINIMAL).spec.model.base, base);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "([a-z]{1,4}|[-:,\\[\\]{}&*!|>'\"#%@ \n\t]|apiVersion: |kind: SpladeTraining\n|---\n){0,60}") {
        let _outcome = parse(&text);
    }

    #[test]
    fn damaged_manifests_give_located_mistakes_or_resources(start in 0usize..200, length in 0usize..40) {
        let end = (start + length).min(MINIMAL.len());
        let damaged = format!("{}{}", &MINIMAL[..start.min(end)], &MINIMAL[end..]);
        if let Err(errors) = parse(&damaged) {
            let lines = damaged.lines().count().max(1) + 1;
            prop_assert!(!errors.as_slice().is_empty());
            for error in errors.as_slice() {
                prop_assert!((1..=lines).contains(&error.line) && error.column >= 1, "{error}");
            }
        }
    }
}
