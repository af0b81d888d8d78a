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
    /// What the loss must know of the texts.
    pub texts: BatchTexts,
}

/// Which texts a batch holds and how they belong together, without their tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchTexts {
    /// Hash of each query's text, B: equal for equal texts.
    pub queries: Vec<u64>,
    /// Hash of each positive's text, B.
    pub positives: Vec<u64>,
    /// Hash of each hard negative's text, N, those of query 0 first.
    pub negatives: Vec<u64>,
    /// Hard negatives of each query, B values that sum to N.
    pub negatives_per_query: Vec<usize>,
    /// The teacher's scores, where every example has them.
    pub teacher_scores: Option<PackedScores>,
}

/// A teacher's scores of a batch, on the teacher's own scale.
#[derive(Clone, Debug, Default, PartialEq)]
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
            texts: BatchTexts::of(examples),
        };
        let queries = examples.iter().map(|example| &example.query);
        let positives = examples.iter().map(|example| &example.positive);
        let negatives = examples.iter().flat_map(|example| &example.negatives);
        queries
            .chain(positives)
            .chain(negatives)
            .for_each(|row| batch.push(row));
        Ok(batch)
    }

    fn push(&mut self, row: &Text) {
        self.ids
            .extend(row.tokens.iter().map(|&token| i64::from(token)));
        self.lengths.push(row.tokens.len() as i64);
    }

    /// Consecutive pieces of the rows, each of at most `most_tokens` tokens or of one longer row: ids and lengths.
    pub fn pieces(&self, most_tokens: usize) -> Vec<(&[i64], &[i64])> {
        let mut pieces = Vec::new();
        let (mut row, mut token) = (0, 0);
        while row < self.lengths.len() {
            let (first_row, first_token) = (row, token);
            while row < self.lengths.len()
                && (row == first_row
                    || token + self.lengths[row] as usize - first_token <= most_tokens)
            {
                token += self.lengths[row] as usize;
                row += 1;
            }
            pieces.push((&self.ids[first_token..token], &self.lengths[first_row..row]));
        }
        pieces
    }
}

impl BatchTexts {
    /// The texts of these examples, in their order.
    pub fn of(examples: &[Example]) -> Self {
        let negatives = examples.iter().flat_map(|example| &example.negatives);
        Self {
            queries: examples.iter().map(|example| example.query.id).collect(),
            positives: examples.iter().map(|example| example.positive.id).collect(),
            negatives: negatives.map(|negative| negative.id).collect(),
            negatives_per_query: examples
                .iter()
                .map(|example| example.negatives.len())
                .collect(),
            teacher_scores: pack_scores(examples),
        }
    }

    /// Several batches as one: the queries and positives of all, then the hard negatives of all.
    ///
    /// Teacher scores remain where every batch has them.
    pub fn join<'a>(batches: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut joined = Self {
            teacher_scores: Some(PackedScores::default()),
            ..Self::default()
        };
        for batch in batches {
            joined.queries.extend(&batch.queries);
            joined.positives.extend(&batch.positives);
            joined.negatives.extend(&batch.negatives);
            joined
                .negatives_per_query
                .extend(&batch.negatives_per_query);
            joined.teacher_scores = joined
                .teacher_scores
                .take()
                .zip(batch.teacher_scores.as_ref())
                .map(|(mut all, own)| {
                    all.positives.extend(&own.positives);
                    all.negatives.extend(&own.negatives);
                    all
                });
        }
        joined
    }

    /// The same queries and positives without any hard negative.
    pub fn without_negatives(&self) -> Self {
        Self {
            negatives: Vec::new(),
            negatives_per_query: vec![0; self.queries.len()],
            teacher_scores: self.teacher_scores.as_ref().map(|scores| PackedScores {
                positives: scores.positives.clone(),
                negatives: Vec::new(),
            }),
            ..self.clone()
        }
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
