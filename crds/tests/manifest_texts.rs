//! Mistakes of whole manifests: disputed YAML, many faults at once, hostile texts.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not recognise as tests

mod common;

use common::{mistakes, with_line, with_more};
use splade_crds::manifest::MAX_BYTES;

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
