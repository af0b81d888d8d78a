//! BM25 scores agree with bm25s, method "lucene".

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod reference;

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use splade_retrieval::{Analyzer, Bm25Index, Bm25Parameters, DocumentIds};

const DOCUMENTS: usize = 120;

/// Words of a small vocabulary, so that documents share and repeat them.
fn text(words: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec("[가나다라마][가나다]{0,2}", words).prop_map(|words| words.join(" "))
}

fn agrees_with_bm25s(k1: f64, b: f64) {
    let mut runner = TestRunner::deterministic();
    let draw = (
        prop::collection::vec(text(0..40), DOCUMENTS),
        prop::collection::vec(text(0..9), 60),
    );
    let (texts, queries) = draw.new_tree(&mut runner).unwrap().current();

    let ids = DocumentIds::new((0..DOCUMENTS).map(|number| format!("d{number}"))).unwrap();
    let parameters = Bm25Parameters::new(k1, b).unwrap();
    let index = Bm25Index::build(ids, &texts, Analyzer::Whitespace, parameters).unwrap();
    let terms = |texts: &[String]| -> Vec<Vec<String>> {
        texts
            .iter()
            .map(|text| Analyzer::Whitespace.terms(text).unwrap())
            .collect()
    };
    let input = json!({ "documents": terms(&texts), "queries": terms(&queries), "k1": k1, "b": b });
    let expected = reference::ask("bm25s_reference.py", &input);

    let mut compared = 0;
    for (query, expected) in queries.iter().zip(expected.as_array().unwrap()) {
        let ranking = index.search(query, DOCUMENTS).unwrap();
        let found: HashMap<String, f32> = ranking
            .hits()
            .iter()
            .map(|hit| (hit.document.to_string(), hit.score))
            .collect();
        for (number, expected) in expected
            .as_array()
            .unwrap()
            .iter()
            .map(Value::as_f64)
            .enumerate()
        {
            let expected = expected.unwrap();
            let score = found
                .get(&format!("d{number}"))
                .map_or(0.0, |score| f64::from(*score));
            assert!(
                (score - expected).abs() < 1e-5,
                "{query:?} d{number}: {score}, bm25s {expected}"
            );
            compared += usize::from(expected > 0.0);
        }
    }
    assert!(compared > 1000, "only {compared} scores were above zero");
}

#[test]
fn default_parameters() {
    agrees_with_bm25s(1.5, 0.75);
}

#[test]
fn anserini_parameters() {
    agrees_with_bm25s(0.9, 0.4);
}
