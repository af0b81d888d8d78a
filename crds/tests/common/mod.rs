//! A correct manifest, and what is said of changed ones.
#![allow(dead_code, clippy::unwrap_used)] // each test binary uses its own part

use splade_crds::manifest::parse;

pub const TRAINING: &str = "\
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
pub fn mistakes(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(resources) => panic!("accepted: {resources:#?}"),
        Err(errors) => errors.as_slice().iter().map(ToString::to_string).collect(),
    }
}

/// The mistakes of [`TRAINING`] with `line` (counted from 1) replaced.
pub fn with_line(line: usize, replacement: &str) -> Vec<String> {
    let mut lines: Vec<&str> = TRAINING.lines().collect();
    lines[line - 1] = replacement;
    mistakes(&lines.join("\n"))
}

/// The mistakes of [`TRAINING`] with more lines at its end, from line 18 on.
pub fn with_more(more: &str) -> Vec<String> {
    mistakes(&format!("{TRAINING}{more}"))
}
