//! Which documents of a batch a query is scored against.

use splade_data::BatchTexts;
use std::collections::HashSet;
use std::ops::Range;

/// Which columns besides its own positive a query is contrasted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum InBatch {
    /// All positives of the batch and the query's own hard negatives, as the reference does.
    OwnHard,
    /// All positives and all hard negatives of the batch, as sentence-transformers does.
    AllColumns,
}

/// How candidates are chosen.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct CandidateRules {
    /// Which columns count.
    pub in_batch: InBatch,
    /// Leave out columns that are surely no negatives: the query's own positive text again, any positive of an
    /// equal query, and a second copy of a text that already has a column.
    pub mask_duplicates: bool,
    /// Leave out a query's own hard negative whose teacher score exceeds the positive's by more than this.
    pub teacher_margin: Option<f64>,
}

/// For each query of `rows` which candidates (columns) stand in its softmax: `rows x (B + N)`, row by row.
///
/// Candidates are numbered as columns: the positives 0..B, then all hard negatives B..B+N, those of query 0 first.
/// `rows` are queries of the batch: all of them, or those of this rank in the batch of all ranks. A query's own
/// positive, column i of query i, always stands there.
pub fn candidate_mask(batch: &BatchTexts, rows: Range<usize>, rules: &CandidateRules) -> Vec<bool> {
    let queries = batch.queries.len();
    let documents: Vec<u64> = batch
        .positives
        .iter()
        .chain(&batch.negatives)
        .copied()
        .collect();
    let mut first_negative = queries
        + batch.negatives_per_query[..rows.start]
            .iter()
            .sum::<usize>();
    let mut mask = Vec::with_capacity(rows.len() * documents.len());
    for row in rows {
        let own_negatives = first_negative..first_negative + batch.negatives_per_query[row];
        first_negative = own_negatives.end;
        let row_start = mask.len();
        mask.extend((0..documents.len()).map(|column| {
            column < queries
                || rules.in_batch == InBatch::AllColumns
                || own_negatives.contains(&column)
        }));
        let allowed = &mut mask[row_start..];
        if rules.mask_duplicates {
            mask_known_positives(batch, &documents, row, allowed);
        }
        if let (Some(margin), Some(teacher)) = (rules.teacher_margin, &batch.teacher_scores) {
            for column in own_negatives {
                allowed[column] &= f64::from(teacher.negatives[column - queries])
                    <= f64::from(teacher.positives[row]) + margin;
            }
        }
        allowed[row] = true;
    }
    mask
}

/// Removes columns whose text is a positive of this query (or of an equal query), and repeated texts.
fn mask_known_positives(batch: &BatchTexts, documents: &[u64], row: usize, allowed: &mut [bool]) {
    let known: Vec<u64> = (0..batch.queries.len())
        .filter(|&other| batch.queries[other] == batch.queries[row])
        .map(|other| batch.positives[other])
        .collect();
    let mut seen = HashSet::with_capacity(documents.len());
    for (column, text) in documents.iter().enumerate() {
        if allowed[column] && (known.contains(text) || !seen.insert(text)) {
            allowed[column] = false;
        }
    }
}
