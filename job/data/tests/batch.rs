//! Packing examples into one batch.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::message;
use splade_data::{BatchTexts, Example, PackedBatch, PackedScores, TeacherScores, Text};

fn text(tokens: &[u32]) -> Text {
    Text {
        id: 1000 + u64::from(tokens[0]),
        tokens: tokens.to_vec(),
    }
}

fn example(
    index: usize,
    query: &[u32],
    positive: &[u32],
    negatives: &[&[u32]],
    scores: Option<&[f32]>,
) -> Example {
    Example {
        index,
        query: text(query),
        positive: text(positive),
        negatives: negatives.iter().map(|tokens| text(tokens)).collect(),
        teacher_scores: scores.map(|scores| TeacherScores {
            positive: scores[0],
            negatives: scores[1..].to_vec(),
        }),
    }
}

#[test]
fn packs_queries_then_positives_then_ragged_negatives() {
    let batch = PackedBatch::collate(&[
        example(4, &[1, 2], &[3], &[&[4, 5, 6], &[7]], None),
        example(9, &[8], &[9, 10], &[], None),
        example(2, &[11], &[12], &[&[13]], None),
    ])
    .unwrap();
    assert_eq!(batch.ids, [1, 2, 8, 11, 3, 9, 10, 12, 4, 5, 6, 7, 13]);
    assert_eq!(batch.lengths, [2, 1, 1, 1, 2, 1, 3, 1, 1]);
    let texts = BatchTexts {
        queries: vec![1001, 1008, 1011],
        positives: vec![1003, 1009, 1012],
        negatives: vec![1004, 1007, 1013],
        negatives_per_query: vec![2, 0, 1],
        teacher_scores: None,
    };
    assert_eq!(batch.texts, texts);
}

#[test]
fn packs_teacher_scores_that_all_have() {
    let batch = PackedBatch::collate(&[
        example(0, &[1], &[2], &[&[3], &[4]], Some(&[5.0, 1.0, 2.0])),
        example(1, &[1], &[2], &[], Some(&[6.0])),
        example(2, &[1], &[2], &[&[3]], Some(&[7.0, 3.0])),
    ])
    .unwrap();
    let expected = PackedScores {
        positives: vec![5.0, 6.0, 7.0],
        negatives: vec![1.0, 2.0, 3.0],
    };
    assert_eq!(batch.texts.teacher_scores, Some(expected));
}

#[test]
fn refuses_a_batch_of_nothing() {
    assert!(message(PackedBatch::collate(&[])).contains("at least one example"));
}

#[test]
fn pieces_hold_whole_rows_in_order() {
    let batch = PackedBatch::collate(&[
        example(0, &[1, 2], &[3], &[&[4, 5, 6, 7, 8]], None),
        example(1, &[9], &[10, 11], &[], None),
    ])
    .unwrap();
    assert_eq!(batch.lengths, [2, 1, 1, 2, 5]);
    let pieces = batch.pieces(3);
    assert_eq!(
        pieces,
        [
            (&[1, 2, 9][..], &[2, 1][..]),
            (&[3, 10, 11][..], &[1, 2][..]),
            (&[4, 5, 6, 7, 8][..], &[5][..]),
        ]
    );
    assert_eq!(batch.pieces(1).len(), 5);
    assert_eq!(batch.pieces(1000), [(&batch.ids[..], &batch.lengths[..])]);
}

#[test]
fn joins_batches_with_positives_first_and_keeps_scores_that_all_have() {
    let scored = [
        example(0, &[1], &[2], &[&[3], &[4]], Some(&[5.0, 1.0, 2.0])),
        example(1, &[5], &[6], &[&[7]], Some(&[7.0, 3.0])),
    ];
    let [first, second] = [&scored[..1], &scored[1..]].map(BatchTexts::of);
    assert_eq!(BatchTexts::join([&first, &second]), BatchTexts::of(&scored));
    let unscored = BatchTexts::of(&[example(2, &[8], &[9], &[], None)]);
    let joined = BatchTexts::join([&first.without_negatives(), &second, &unscored]);
    assert_eq!(joined.positives, [1002, 1006, 1009]);
    assert_eq!(joined.negatives, [1007]);
    assert_eq!(joined.negatives_per_query, [0, 1, 0]);
    assert_eq!(joined.teacher_scores, None);
}
