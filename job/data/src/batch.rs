//! What one step takes: the rows of a batch end to end, without padding.

use crate::error::{BatchError, DataError};
use crate::shards::{Example, Text};
use crate::triplets::TeacherScores;

/// B queries, their B positives and their N hard negatives as rows of tokens, packed end to end.
///
/// Rows come in this order: queries 0..B, positives B..2B, then all hard negatives of query 0, of query 1, and so on.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedBatch {
    /// Token ids of all rows, one row after the other. Length is the sum of `lengths`.
    pub ids: Vec<i64>,
    /// Tokens of each row, `2B + N`.
    pub lengths: Vec<i64>,
    /// Hard negatives of each query, B values that sum to N.
    pub negatives_per_query: Vec<usize>,
    /// Hash of each row's text, `2B + N`: equal for equal texts.
    pub text_ids: Vec<u64>,
    /// The teacher's scores, where every example has them.
    pub teacher_scores: Option<PackedScores>,
}

/// A teacher's scores of a batch, on the teacher's own scale.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedScores {
    /// Of the positives, B.
    pub positives: Vec<f32>,
    /// Of the hard negatives in the order of their rows, N.
    pub negatives: Vec<f32>,
}

impl PackedBatch {
    /// Packs examples in their order.
    ///
    /// # Errors
    /// No examples.
    pub fn collate(examples: &[Example]) -> Result<Self, DataError> {
        if examples.is_empty() {
            return Err(BatchError::Empty.into());
        }
        let mut batch = Self {
            ids: Vec::new(),
            lengths: Vec::new(),
            negatives_per_query: examples
                .iter()
                .map(|example| example.negatives.len())
                .collect(),
            text_ids: Vec::new(),
            teacher_scores: pack_scores(examples),
        };
        examples
            .iter()
            .for_each(|example| batch.push(&example.query));
        examples
            .iter()
            .for_each(|example| batch.push(&example.positive));
        examples
            .iter()
            .flat_map(|example| &example.negatives)
            .for_each(|negative| batch.push(negative));
        Ok(batch)
    }

    fn push(&mut self, row: &Text) {
        self.ids
            .extend(row.tokens.iter().map(|&token| i64::from(token)));
        self.lengths.push(row.tokens.len() as i64);
        self.text_ids.push(row.id);
    }
}

/// None unless every example is scored: whoever needs scores asks [`crate::Shards::first_unscored`] before.
fn pack_scores(examples: &[Example]) -> Option<PackedScores> {
    let scores: Vec<&TeacherScores> = examples
        .iter()
        .map(|example| example.teacher_scores.as_ref())
        .collect::<Option<_>>()?;
    Some(PackedScores {
        positives: scores.iter().map(|scores| scores.positive).collect(),
        negatives: scores
            .iter()
            .flat_map(|scores| &scores.negatives)
            .copied()
            .collect(),
    })
}
