//! The metrics agree with pytrec-eval-terrier on random runs full of ties.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod reference;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use splade_retrieval::{Evaluation, Hit, Metric, Qrels, Ranking, Run, evaluate};

/// Three documents in four share their score with another; two of the scores differ in f64 only.
fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (-3i32..4).prop_map(|score| f64::from(score) / 2.0),
        1 => Just(0.999_999_999),
        1 => Just(1.000_000_001),
        2 => -2.0f64..2.0,
    ]
}

fn document() -> impl Strategy<Value = String> {
    (0u32..160).prop_map(|number| format!("문서{number}"))
}

type Grades = BTreeMap<String, i32>;
type Scores = BTreeMap<String, f64>;

/// Judgments and, for nine queries in ten, hits; often fewer than ten, sometimes over a hundred.
///
/// Every query has a grade of zero: pytrec-eval-terrier 0.5.11 crashes on one whose grades are all
/// below -1.
fn query() -> impl Strategy<Value = (Grades, Option<Scores>)> {
    let grades = prop::collection::btree_map(document(), -2i32..4, 0..30).prop_map(|mut grades| {
        grades.insert("not retrieved".to_owned(), 0);
        grades
    });
    let few = prop::collection::btree_map(document(), score(), 1..12);
    let many = prop::collection::btree_map(document(), score(), 100..150);
    (grades, prop::option::weighted(0.9, prop_oneof![few, many]))
}

fn ranking(scores: &Scores) -> Ranking {
    let hits = scores.iter().map(|(document, score)| Hit {
        document: document.as_str().into(),
        score: *score as f32,
    });
    Ranking::from_hits(hits.collect()).unwrap()
}

fn assert_agrees(evaluation: &Evaluation, judged: &serde_json::Value) {
    for (query, metrics) in &evaluation.per_query {
        for metric in Metric::ALL {
            let field = metric.name().replace('@', "_at_");
            let expected = judged
                .get(query)
                .map_or(0.0, |measures| measures[&field].as_f64().unwrap());
            let found = metrics.get(metric);
            assert!(
                (found - expected).abs() < 1e-9,
                "{query} {metric}: {found}, pytrec {expected}"
            );
        }
    }
}

#[test]
fn random_runs_full_of_ties_agree_with_pytrec_eval() {
    let mut runner = TestRunner::deterministic();
    let queries = prop::collection::vec(query(), 400)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let mut qrels = Qrels::new();
    let mut scores = BTreeMap::new();
    for (number, (grades, hits)) in queries.into_iter().enumerate() {
        qrels.insert(format!("q{number}"), grades);
        scores.extend(hits.map(|hits| (format!("q{number}"), hits)));
    }
    scores.insert(
        "not judged".to_owned(),
        Scores::from([("문서1".to_owned(), 1.0)]),
    );

    let run: Run = scores
        .iter()
        .map(|(query, hits)| (query.clone(), ranking(hits)))
        .collect();
    let evaluation = evaluate(&qrels, &run).unwrap();
    let judged = reference::ask(
        "pytrec_reference.py",
        &json!({ "qrels": qrels, "run": scores }),
    );

    assert_agrees(&evaluation, &judged);
    assert_eq!(evaluation.per_query.len(), 400);
    assert_eq!(evaluation.missing_queries.len(), 400 - (run.len() - 1));
    assert!(
        evaluation.missing_queries.len() > 10,
        "the draw has queries that the run lacks"
    );
    for metric in Metric::ALL {
        let values = judged.as_object().unwrap().values();
        let field = metric.name().replace('@', "_at_");
        let sum: f64 = values
            .map(|measures| measures[&field].as_f64().unwrap())
            .sum();
        assert!(
            (evaluation.mean.get(metric) - sum / 400.0).abs() < 1e-9,
            "mean {metric}"
        );
    }
}

#[test]
fn the_committed_fixture_agrees_with_pytrec_eval() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/three_queries");
    let dataset = splade_retrieval::Dataset::load(&folder, "fixture", "test").unwrap();
    let run = splade_retrieval::run_file::read_run(&folder.join("run.trec")).unwrap();
    // The scores as the file spells them: that two of them tie is for the judge to find out.
    let mut scores: BTreeMap<String, Scores> = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("run.trec"))
        .unwrap()
        .lines()
    {
        let columns: Vec<&str> = line.split(' ').collect();
        let hits = scores.entry(columns[0].to_owned()).or_default();
        hits.insert(columns[2].to_owned(), columns[4].parse().unwrap());
    }
    let evaluation = evaluate(&dataset.qrels, &run).unwrap();
    let judged = reference::ask(
        "pytrec_reference.py",
        &json!({ "qrels": dataset.qrels, "run": scores }),
    );
    assert_agrees(&evaluation, &judged);
}
