//! Every class of mistake, with the line, column, path and message that the user sees.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not recognise as tests

use splade_crds::manifest::parse;

/// A correct training; tests put a mistake into one of its lines.
mod common;

use common::{TRAINING, mistakes, with_line, with_more};

#[test]
fn the_base_is_correct() {
    let resources = parse(TRAINING).unwrap();
    assert_eq!(resources.len(), 1);
    assert_eq!(
        (resources[0].kind(), resources[0].name()),
        ("SpladeTraining", "tiny")
    );
}

#[test]
fn broken_yaml() {
    let found = with_line(9, "    train: [train.jsonl");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("line 10, column "), "{found:?}");
    assert!(found[0].contains("not valid YAML: "), "{found:?}");
    assert!(
        found[0].ends_with("the rest of the text was not read"),
        "{found:?}"
    );
}

#[test]
fn unknown_api_version_and_kind() {
    assert_eq!(
        with_line(1, "apiVersion: neuralsparse.dev/v1"),
        [
            "line 1, column 13: apiVersion: unknown apiVersion \"neuralsparse.dev/v1\"; \
          expected \"neuralsparse.dev/v1alpha1\""
        ]
    );
    assert_eq!(
        with_line(2, "kind: SpladeTrainning"),
        [
            "line 2, column 7: kind: unknown kind \"SpladeTrainning\"; did you mean \
          \"SpladeTraining\"? (allowed: SpladeTraining, SpladeBenchmark)"
        ]
    );
    assert_eq!(
        mistakes("metadata: {name: x}"),
        [
            "line 1, column 1: apiVersion: a text is required: \"neuralsparse.dev/v1alpha1\"",
            "line 1, column 1: kind: a text is required: SpladeTraining or SpladeBenchmark",
        ]
    );
}

#[test]
fn unknown_field_with_and_without_a_likely_one() {
    assert_eq!(
        with_line(13, "    epohcs: 3"),
        [
            "line 13, column 5: spec.optimizer.epohcs: unknown field; did you mean \"epochs\"? \
             (allowed: batchSizePerDevice, beta1, beta2, epochs, epsilon, \
             gradientAccumulationSteps, gradientCachingTokens, gradientClip, learningRate, \
             maxSteps, precision, schedule, seed, warmupRatio, warmupSteps, weightDecay)",
        ]
    );
    assert_eq!(
        with_more("    zebra: 1\n"),
        [
            "line 18, column 5: spec.checkpoint.zebra: unknown field; allowed: everyMinutes, \
          everySteps, keepLast, resume, storageTimeoutSeconds, uri"
        ]
    );
}

#[test]
fn wrong_types() {
    assert_eq!(
        with_line(13, "    epochs: three"),
        [
            "line 13, column 13: spec.optimizer.epochs: expected an integer, found the text \"three\""
        ]
    );
    assert_eq!(
        with_line(13, "    epochs: 1.5"),
        ["line 13, column 13: spec.optimizer.epochs: expected an integer, found the number 1.5"]
    );
    assert_eq!(
        with_line(9, "    train: train.jsonl"),
        ["line 9, column 12: spec.data.train: expected a list, found the text \"train.jsonl\""]
    );
    assert_eq!(
        with_more("  runPolicy:\n    suspend: \"true\"\n"),
        [
            "line 19, column 14: spec.runPolicy.suspend: expected true or false, found the text \
          \"true\""
        ]
    );
    assert_eq!(
        with_more("  gang: [1]\n"),
        ["line 18, column 9: spec.gang: expected a mapping, found a list"]
    );
    assert_eq!(
        mistakes("- a\n- b\n"),
        ["line 1, column 1: expected a resource (a mapping), found a list"]
    );
}

#[test]
fn missing_required_fields() {
    assert_eq!(
        with_line(7, "    maskSpecialTokens: true"),
        ["line 7, column 5: spec.model.base: required field is missing"]
    );
    assert_eq!(
        with_line(4, "  namespace: x"),
        ["line 4, column 3: metadata.name: required field is missing"]
    );
    assert_eq!(
        with_line(7, "    base: null"),
        ["line 7, column 5: spec.model.base: required field is missing"]
    );
}

#[test]
fn out_of_range() {
    assert_eq!(
        with_line(13, "    epochs: 0"),
        ["line 13, column 13: spec.optimizer.epochs: must be at least 1, found 0"]
    );
    assert_eq!(
        with_more("  gang: {nodes: 1025, devicesPerNode: -1}\n"),
        [
            "line 18, column 17: spec.gang.nodes: must be at most 1024, found 1025",
            "line 18, column 39: spec.gang.devicesPerNode: must be at least 1, found -1",
        ]
    );
    assert_eq!(
        with_line(9, "    train: []"),
        ["line 9, column 12: spec.data.train: must have at least 1 items, found 0"]
    );
    assert_eq!(
        with_line(14, "    seed: 9007199254740992"),
        [
            "line 14, column 11: spec.optimizer.seed: must be at most 9007199254740991, \
          found 9007199254740992"
        ]
    );
    let long = "x".repeat(1025);
    assert_eq!(
        with_line(7, &format!("    base: {long}")),
        ["line 7, column 11: spec.model.base: must have at most 1024 characters, found 1025"]
    );
}

#[test]
fn bad_enum_lists_the_allowed() {
    assert_eq!(
        with_line(14, "    precision: bf16"),
        [
            "line 14, column 16: spec.optimizer.precision: \"bf16\" is not allowed; did you mean \
          \"BF16\"? (allowed: BF16, FP32)"
        ]
    );
    assert_eq!(
        with_line(14, "    schedule: polynomial"),
        [
            "line 14, column 15: spec.optimizer.schedule: \"polynomial\" is not allowed; allowed: \
          Cosine, Linear, Constant"
        ]
    );
}

#[test]
fn bad_decimals() {
    assert_eq!(
        with_line(11, "    temperature: 0.05"),
        [
            "line 11, column 18: spec.loss.temperature: a decimal is written as a text: put it in \
          quotes, \"0.05\""
        ]
    );
    assert_eq!(
        with_line(11, "    temperature: \"-1\""),
        [
            "line 11, column 18: spec.loss.temperature: \"-1\" is not a non-negative decimal number \
          such as \"0.01\" or \"5e-5\""
        ]
    );
    assert_eq!(
        with_line(11, "    temperature: \"0.0\""),
        ["line 11, column 18: spec.loss.temperature: must be greater than 0"]
    );
}

#[test]
fn bad_locations_and_quantities() {
    assert_eq!(
        with_line(7, "    base: hf://skt/A.X-Encoder-base"),
        [
            "line 7, column 11: spec.model.base: \"hf://skt/A.X-Encoder-base\" is not a storage \
          location: s3://bucket/key, file://path or a plain path"
        ]
    );
    assert_eq!(
        with_more("  gang:\n    sharedMemory: lots\n    resources: {limits: {cpu: 1.5}}\n"),
        [
            "line 19, column 19: spec.gang.sharedMemory: \"lots\" is not a quantity such as \
             \"2\", \"500m\" or \"16Gi\"",
            "line 20, column 31: spec.gang.resources.limits.cpu: expected a quantity such as 2, \
             \"500m\" or \"16Gi\", found the number 1.5",
        ]
    );
}

#[test]
fn unions_hold_exactly_one() {
    assert_eq!(
        with_more("  initFrom: {}\n"),
        [
            "line 18, column 13: spec.initFrom: exactly one of trainingRef, uri must be set, found \
          none"
        ]
    );
    assert_eq!(
        with_more("  initFrom: {uri: a, trainingRef: {name: b}}\n"),
        [
            "line 18, column 13: spec.initFrom: exactly one of trainingRef, uri must be set, found \
          trainingRef, uri"
        ]
    );
}

#[test]
fn duplicate_keys_list_members_and_resources() {
    assert_eq!(
        with_line(14, "    epochs: 4"),
        ["line 14, column 5: spec.optimizer.epochs: the field is set already in line 13"]
    );
    assert_eq!(
        with_more(
            "  export: {uri: runs/out, formats: [HuggingFace, HuggingFace]}\n  gang:\n    env:\n      \
             - {name: A, value: \"1\"}\n      - {name: A, value: \"2\"}\n"
        ),
        [
            "line 18, column 50: spec.export.formats[1]: \"HuggingFace\" is in the list already, in \
             line 18",
            "line 22, column 16: spec.gang.env[1].name: \"A\" is in the list already, in line 21",
        ]
    );
    assert_eq!(
        mistakes(&format!("{TRAINING}---\n{TRAINING}")),
        ["line 22, column 9: metadata.name: SpladeTraining \"tiny\" is defined already in line 4"]
    );
}

#[test]
fn rules_across_fields_point_at_the_field() {
    assert_eq!(
        with_more(
            "  benchmarks:\n    - name: a\n      dataset: {name: d, uri: d}\n      compareTo: Hybrid\n"
        ),
        [
            "line 19, column 5: spec.benchmarks: benchmarks need an exported model: set export",
            "line 21, column 18: spec.benchmarks[0].compareTo: Hybrid is not one of methods",
        ]
    );
    assert_eq!(
        with_line(4, "  name: Tiny"),
        [
            "line 4, column 9: metadata.name: \"Tiny\" must be lower-case letters, digits and '-', at \
          most 36 characters: names of jobs and pods are made from it"
        ]
    );
}
