//! Every class of mistake, with the line, column, path and message that the user sees.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not recognise as tests

use splade_crds::manifest::{MAX_BYTES, parse};

/// A correct training; tests put a mistake into one of its lines.
const TRAINING: &str = "\
apiVersion: neuralsparse.dev/v1alpha1
kind: SpladeTraining
metadata:
  name: tiny
spec:
  model:
    base: models/base
  data:
    train: [train.jsonl]
  loss:
    temperature: \"1.0\"
  optimizer:
    epochs: 3
    precision: BF16
  checkpoint:
    uri: runs/tiny
    everySteps: 100
";

/// The mistakes of a text, as shown.
fn mistakes(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(resources) => panic!("accepted: {resources:#?}"),
        Err(errors) => errors.as_slice().iter().map(ToString::to_string).collect(),
    }
}

/// The mistakes of [`TRAINING`] with `line` (counted from 1) replaced.
fn with_line(line: usize, replacement: &str) -> Vec<String> {
    let mut lines: Vec<&str> = TRAINING.lines().collect();
    lines[line - 1] = replacement;
    mistakes(&lines.join("\n"))
}

/// The mistakes of [`TRAINING`] with more lines at its end, from line 18 on.
fn with_more(more: &str) -> Vec<String> {
    mistakes(&format!("{TRAINING}{more}"))
}

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
             gradientAccumulationSteps, gradientClip, learningRate, maxSteps, precision, \
             schedule, seed, warmupRatio, warmupSteps, weightDecay)",
        ]
    );
    assert_eq!(
        with_more("    zebra: 1\n"),
        [
            "line 18, column 5: spec.checkpoint.zebra: unknown field; allowed: everyMinutes, \
          everySteps, keepLast, resume, uri"
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

#[test]
fn what_yaml_parsers_dispute() {
    let found = with_more("  runPolicy: {suspend: yes}\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("line 18, column 24: spec.runPolicy.suspend: YAML parsers disagree"),
        "{found:?}"
    );
    assert_eq!(
        with_more("    <<: {keepLast: 1}\n"),
        [
            "line 18, column 5: spec.checkpoint[\"<<\"]: merge keys (<<) are not supported: repeat \
          the fields"
        ]
    );
    assert_eq!(
        with_line(13, "    epochs: !!int 3"),
        [
            "line 13, column 13: spec.optimizer.epochs: the tag tag:yaml.org,2002:!int is not \
          supported; put texts in quotes instead"
        ]
    );
}

#[test]
fn everything_is_reported_at_once() {
    let text = "\
apiVersion: neuralsparse.dev/v1alpha1
kind: SpladeTraining
metadata:
  name: a
  lables: {team: search}
spec:
  model: {bas: x}
  data:
    train: [a.jsonl]
    hardNegatives: 0
  loss:
    flops: {query: 0.01, negative: \"0.1\"}
  optimizer: {learningRate: \"0\", warmupRatio: \"2\", maxSteps: ten}
  checkpoint: {uri: c}
---
apiVersion: neuralsparse.dev/v1alpha1
kind: SpladeBenchmark
metadata: {name: b}
spec:
  dataset: {name: d, uri: d}
  methods: [BM52]
  bm25: {b: \"2\"}
";
    let found = mistakes(text);
    let places: Vec<_> = found
        .iter()
        .map(|line| line.splitn(3, ": ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        places,
        [
            "line 5, column 3 metadata.lables",
            "line 7, column 10 spec.model.base",
            "line 7, column 11 spec.model.bas",
            "line 12, column 20 spec.loss.flops.query",
            "line 12, column 36 spec.loss.flops.negative",
            "line 13, column 29 spec.optimizer.learningRate",
            "line 13, column 47 spec.optimizer.warmupRatio",
            "line 13, column 62 spec.optimizer.maxSteps",
            "line 14, column 15 spec.checkpoint",
            "line 20, column 3 spec.model",
            "line 21, column 13 spec.methods[0]",
            "line 22, column 13 spec.bm25.b",
        ]
    );
}

#[test]
fn rules_run_beside_other_mistakes_but_not_on_what_is_broken() {
    let found = with_more(
        "    zebra: 1\n  data2: 1\n  runPolicy: {backoff: {initialSeconds: 9, maxSeconds: 1}}\n",
    );
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[2].ends_with("spec.runPolicy.backoff: initialSeconds must not exceed maxSeconds")
    );
    // `epochs` is there but broken: that neither it nor maxSteps is set would be misleading.
    assert_eq!(with_line(13, "    epochs: many").len(), 1);
}

#[test]
fn mistakes_of_whole_texts() {
    for text in ["", "# nothing\n", "---\n---\n"] {
        assert_eq!(
            mistakes(text),
            [
                "line 1, column 1: the manifest holds no resource; expected a SpladeTraining or \
              SpladeBenchmark"
            ]
        );
    }
}

#[test]
fn bounds_hold_against_hostile_texts() {
    let long = format!("#{}", "x".repeat(MAX_BYTES));
    assert_eq!(
        mistakes(&long),
        ["line 1, column 1: the manifest has 1048577 bytes; the limit is 1048576"]
    );
    let deep = format!("a: {}1{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(
        mistakes(&deep),
        ["line 1, column 67: nested deeper than 64 levels"]
    );
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let found = mistakes(&bomb);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("anchors and aliases unfold to more than 8388608 bytes"));
    let found = mistakes("a: &a [*a]\n");
    assert_eq!(found.len(), 1, "{found:?}");
}
