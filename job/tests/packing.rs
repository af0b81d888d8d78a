//! A row's vector does not depend on the rows beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::workspace::Workspace;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use splade_job::model::{Precision, SpecialTokens, Splade, SpladeOptions};
use tch::{Device, Tensor};

fn model(workspace: &Workspace) -> Splade {
    let options = SpladeOptions {
        precision: Precision::Float,
        special_tokens: SpecialTokens::Keep,
        device: Device::Cpu,
    };
    Splade::from_folder(&workspace.path().join("model"), options).unwrap()
}

fn vectors(model: &Splade, ids: &[i64], lengths: &[i64]) -> Tensor {
    tch::no_grad(|| model.forward(&model.pack(ids, lengths).unwrap())).unwrap()
}

fn assert_independent(model: &Splade, lengths: &[i64]) {
    let ids: Vec<i64> = (0..lengths.iter().sum::<i64>())
        .map(|token| 10 + token * 7919 % 2900)
        .collect();
    let together = vectors(model, &ids, lengths);
    let mut start = 0;
    for (row, &length) in lengths.iter().enumerate() {
        let own = &ids[start..start + length as usize];
        start += length as usize;
        let alone = vectors(model, own, &[length]);
        let difference = (together.get(row as i64) - alone.get(0))
            .abs()
            .max()
            .double_value(&[]);
        assert!(
            difference <= 1e-5,
            "row {row} of {lengths:?}: {difference:e}"
        );
    }
}

#[test]
fn padding_at_the_very_end_of_a_bucket_is_cut_off() {
    let workspace = Workspace::new();
    let model = model(&workspace);
    for lengths in [&[10, 6][..], &[140, 144, 12, 9], &[5, 5, 4], &[33, 64, 40]] {
        assert_independent(&model, lengths);
    }
}

#[test]
fn rows_of_any_lengths_are_independent() {
    let workspace = Workspace::new();
    let model = model(&workspace);
    let mut runner = TestRunner::new(Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&prop::collection::vec(1i64..160, 1..7), |lengths| {
            assert_independent(&model, &lengths);
            Ok(())
        })
        .unwrap();
}
