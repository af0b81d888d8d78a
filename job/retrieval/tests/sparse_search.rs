//! Sparse search agrees with brute force, to the bit and in the order of ties.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use proptest::prelude::*;
use splade_retrieval::sparse::SparseIndexError;
use splade_retrieval::{DocumentIds, Hit, Qrels, Ranking, SparseIndex, SparseVector, evaluate};

fn vector() -> impl Strategy<Value = SparseVector> {
    // Quarters make exact ties frequent, the other weights make the order of summation matter.
    let weight = prop_oneof![
        (1u8..8).prop_map(|quarters| f32::from(quarters) / 4.0),
        0.001f32..900.0,
    ];
    let far_away = prop_oneof![9 => 0u32..25, 1 => u32::MAX - 2..=u32::MAX];
    prop::collection::btree_map(far_away, weight, 0..12).prop_map(|weights| {
        let (ids, values) = weights.into_iter().unzip();
        SparseVector::new(ids, values).unwrap()
    })
}

fn ids(documents: usize) -> DocumentIds {
    DocumentIds::new((0..documents).map(name)).unwrap()
}

fn name(number: usize) -> String {
    format!("d{number}")
}

/// Σ over ascending term ids in f32.
fn dot(query: &SparseVector, document: &SparseVector) -> f32 {
    let mut sum = 0.0f32;
    for (id, weight) in query.iter() {
        if let Ok(position) = document.ids().binary_search(&id) {
            sum += weight * document.values()[position];
        }
    }
    sum
}

fn brute_force(documents: &[SparseVector], query: &SparseVector, k: usize) -> Vec<Hit> {
    let scored = documents.iter().enumerate().map(|(number, document)| Hit {
        document: Arc::from(name(number)),
        score: dot(query, document),
    });
    let mut hits = Ranking::from_hits(scored.filter(|hit| hit.score > 0.0).collect())
        .unwrap()
        .hits()
        .to_vec();
    hits.truncate(k);
    hits
}

proptest! {
    #[test]
    fn search_is_brute_force(
        documents in prop::collection::vec(vector(), 0..50),
        queries in prop::collection::vec(vector(), 1..6),
        k in 0usize..60,
    ) {
        let index = SparseIndex::build(ids(documents.len()), &documents).unwrap();
        let named: Vec<(String, SparseVector)> =
            queries.iter().enumerate().map(|(number, query)| (name(number), query.clone())).collect();
        let run = index.search_all(&named, k).unwrap();
        prop_assert_eq!(run.len(), queries.len());
        for (id, query) in &named {
            let expected = brute_force(&documents, query, k);
            prop_assert_eq!(run[id].hits(), expected.as_slice());
            let single = index.search(query, k).unwrap();
            prop_assert_eq!(single.hits(), expected.as_slice());
        }
    }
}

#[test]
fn products_that_vanish_are_no_hits() {
    let tiny = |ids: &[u32]| SparseVector::new(ids.to_vec(), vec![1e-30; ids.len()]).unwrap();
    let one = SparseVector::new(vec![3], vec![1.0]).unwrap();
    let index = SparseIndex::build(ids(2), &[tiny(&[1, 2]), one.clone()]).unwrap();
    assert!(index.search(&tiny(&[1, 2]), 10).unwrap().hits().is_empty());
    assert_eq!(index.search(&one, 10).unwrap().hits().len(), 1);
    assert_eq!((index.documents(), index.postings()), (2, 3));
}

#[test]
fn input_that_does_not_fit_is_refused() {
    let built = SparseIndex::build(ids(2), &[SparseVector::default()]);
    assert!(matches!(
        built,
        Err(SparseIndexError::Lengths { ids: 2, vectors: 1 })
    ));
    let index = SparseIndex::build(ids(1), &[SparseVector::default()]).unwrap();
    let queries = [
        ("q".to_owned(), SparseVector::default()),
        ("q".to_owned(), SparseVector::default()),
    ];
    let run = index.search_all(&queries, 1);
    assert!(matches!(run, Err(SparseIndexError::DuplicateQuery(id)) if id == "q"));
}

#[test]
fn queries_without_a_hit_are_counted_as_missing() {
    let one = |id: u32| SparseVector::new(vec![id], vec![1.0]).unwrap();
    let index = SparseIndex::build(ids(2), &[one(1), one(2)]).unwrap();
    let queries = [("hit".to_owned(), one(1)), ("miss".to_owned(), one(9))];
    let run = index.search_all(&queries, 10).unwrap();
    let judged = |query: &str| (query.to_owned(), [(name(0), 1)].into());
    let qrels: Qrels = ["hit", "miss", "absent"].map(judged).into();
    let evaluation = evaluate(&qrels, &run).unwrap();
    assert_eq!(evaluation.missing_queries, ["absent", "miss"]);
}
