//! The committed three-query data set: what it loads to, and its metrics worked out by hand.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use splade_retrieval::run_file::read_run;
use splade_retrieval::{Dataset, evaluate};

fn folder() -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "tests",
        "fixtures",
        "three_queries",
    ]
    .iter()
    .collect()
}

#[test]
fn the_judged_part_is_loaded_and_the_rest_is_counted() {
    let dataset = Dataset::load(&folder(), "fixture", "test").unwrap();
    let queries: Vec<&str> = dataset
        .queries
        .iter()
        .map(|query| query.id.as_str())
        .collect();
    assert_eq!(queries, ["ties", "f32-ties", "missing"]);
    assert_eq!(
        (dataset.unjudged_queries, dataset.unknown_documents),
        (1, 1)
    );
    assert_eq!(dataset.judgments(), 8);
    let contents: Vec<_> = dataset
        .corpus
        .iter()
        .map(|document| document.contents())
        .collect();
    assert_eq!(
        contents,
        [
            "서울\n서울은 대한민국의 수도이다.",
            "부산은 항구 도시이다.",
            "한라산은 제주도에 있다.",
            "한강\n",
            "훈민정음은 1446년에 반포되었다.",
        ]
    );
}

#[test]
fn another_split_judges_other_queries() {
    let dataset = Dataset::load(&folder(), "fixture", "dev").unwrap();
    assert_eq!((dataset.queries.len(), dataset.unjudged_queries), (1, 3));
}

#[test]
fn metrics_are_the_ones_worked_out_by_hand() {
    let dataset = Dataset::load(&folder(), "fixture", "test").unwrap();
    let run = read_run(&folder().join("run.trec")).unwrap();
    let evaluation = evaluate(&dataset.qrels, &run).unwrap();
    assert_eq!(evaluation.missing_queries, ["missing"]);

    // d2 (grade 0), d1 (2), d5 (not judged), d4 (-1), d3 (1).
    let ties = evaluation.per_query["ties"];
    assert_eq!(
        (ties.success_at_1, ties.success_at_5, ties.mrr_at_10),
        (0.0, 1.0, 0.5)
    );
    assert_eq!((ties.recall_at_10, ties.recall_at_100), (1.0, 1.0));
    let ideal = 2.0 + 1.0 / 3f64.log2();
    let expected = (2.0 / 3f64.log2() + 1.0 / 6f64.log2()) / ideal;
    assert!((ties.ndcg_at_10 - expected).abs() < 1e-12);

    // 0.999999999 is 1.0 in f32, so d2 goes first; the relevant d9 is not in the corpus.
    let f32_ties = evaluation.per_query["f32-ties"];
    assert_eq!((f32_ties.success_at_1, f32_ties.recall_at_10), (1.0, 0.5));
    assert!((f32_ties.ndcg_at_10 - 1.0 / (1.0 + 1.0 / 3f64.log2())).abs() < 1e-12);

    assert!((evaluation.mean.success_at_1 - 1.0 / 3.0).abs() < 1e-12);
    assert!((evaluation.mean.mrr_at_10 - 1.5 / 3.0).abs() < 1e-12);
}
