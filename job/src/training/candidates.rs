//! The documents that a rank's queries are scored against: its own, or those of all ranks.

use super::error::TrainingError;
use super::plan::LossPlan;
use crate::distributed::Gang;
use crate::losses::{InBatch, candidate_mask};
use splade_data::BatchTexts;
use tch::Tensor;

/// The texts of a micro-batch over all ranks, as one rank sees them.
#[derive(Clone, Copy, Debug)]
pub struct GangTexts<'a> {
    /// By rank. Where nothing is shared, those of this rank alone.
    pub by_rank: &'a [BatchTexts],
    /// Place of this rank in them.
    pub own: usize,
}

impl<'a> GangTexts<'a> {
    pub(super) fn own(&self) -> &'a BatchTexts {
        &self.by_rank[self.own]
    }

    /// Queries of the ranks before this one.
    fn first_query(&self) -> usize {
        let before = &self.by_rank[..self.own];
        before.iter().map(|texts| texts.queries.len()).sum()
    }

    /// This rank's part of a count over all ranks.
    pub(super) fn share(&self, count: impl Fn(&BatchTexts) -> usize) -> (usize, usize) {
        (
            count(self.own()),
            self.by_rank.iter().map(&count).sum::<usize>(),
        )
    }
}

/// The documents that the queries of this rank are scored against.
pub(super) struct Candidates {
    /// `[columns, vocabulary]`: positives, then hard negatives.
    pub(super) documents: Tensor,
    /// What stands in the columns.
    texts: BatchTexts,
    /// Column of this rank's first positive.
    pub(super) first_positive: usize,
    /// Column of this rank's first hard negative.
    first_negative: usize,
}

impl Candidates {
    pub(super) fn new(
        document: &Tensor,
        texts: GangTexts,
        plan: &LossPlan,
        gang: &Gang,
    ) -> Result<Self, TrainingError> {
        let own = texts.own();
        if !plan.cross_rank || texts.by_rank.len() == 1 {
            return Ok(Self {
                documents: document.shallow_clone(),
                texts: own.clone(),
                first_positive: 0,
                first_negative: own.positives.len(),
            });
        }
        match plan.candidates.in_batch {
            InBatch::AllColumns => Self::all_documents(document, texts, gang),
            InBatch::OwnHard => Self::all_positives(document, texts, gang),
        }
    }

    /// Positives and hard negatives of all ranks. Ranks may have different numbers of hard negatives: for the way,
    /// all are filled up to the most.
    fn all_documents(
        document: &Tensor,
        texts: GangTexts,
        gang: &Gang,
    ) -> Result<Self, TrainingError> {
        let documents = |texts: &BatchTexts| texts.positives.len() + texts.negatives.len();
        let most = texts.by_rank.iter().map(documents).max().unwrap_or(0);
        let missing = most - documents(texts.own());
        let filled = document.f_constant_pad_nd([0, 0, 0, missing as i64])?;
        let rows = texts.by_rank.iter().enumerate();
        let positives = rows.clone().flat_map(|(rank, texts)| {
            let first = rank * most;
            first..first + texts.positives.len()
        });
        let negatives = rows.flat_map(|(rank, texts)| {
            let first = rank * most + texts.positives.len();
            first..first + texts.negatives.len()
        });
        let order: Vec<i64> = positives.chain(negatives).map(|row| row as i64).collect();
        let order = Tensor::from_slice(&order).to(document.device());
        let joined = BatchTexts::join(texts.by_rank);
        let before = &texts.by_rank[..texts.own];
        let negatives_before: usize = before.iter().map(|texts| texts.negatives.len()).sum();
        Ok(Self {
            documents: gang.gather_rows(&filled)?.f_index_select(0, &order)?,
            first_positive: texts.first_query(),
            first_negative: joined.positives.len() + negatives_before,
            texts: joined,
        })
    }

    /// Positives of all ranks and the hard negatives of this one: those of others are nobody's candidates here.
    fn all_positives(
        document: &Tensor,
        texts: GangTexts,
        gang: &Gang,
    ) -> Result<Self, TrainingError> {
        let own = texts.own();
        let (positives, negatives) = (own.positives.len() as i64, own.negatives.len() as i64);
        let gathered = gang.gather_rows(&document.narrow(0, 0, positives))?;
        let known: Vec<BatchTexts> = texts
            .by_rank
            .iter()
            .enumerate()
            .map(|(rank, texts_of_rank)| {
                if rank == texts.own {
                    texts_of_rank.clone()
                } else {
                    texts_of_rank.without_negatives()
                }
            })
            .collect();
        let joined = BatchTexts::join(&known);
        Ok(Self {
            documents: Tensor::f_cat(&[gathered, document.narrow(0, positives, negatives)], 0)?,
            first_positive: texts.first_query(),
            first_negative: joined.positives.len(),
            texts: joined,
        })
    }

    /// Which columns stand in the softmax of each of this rank's `queries`, bool `[queries, columns]`.
    pub(super) fn mask(&self, plan: &LossPlan, queries: i64) -> Tensor {
        let rows = self.first_positive..self.first_positive + queries as usize;
        let mask = candidate_mask(&self.texts, rows, &plan.candidates);
        Tensor::from_slice(&mask)
            .view([queries, -1])
            .to(self.documents.device())
    }

    /// The scores of this rank's own positives and hard negatives, `[queries, queries + negatives]`.
    pub(super) fn own_columns(
        &self,
        scores: &Tensor,
        queries: i64,
        negatives: i64,
    ) -> Result<Tensor, TrainingError> {
        let part = |first: usize, count| scores.narrow(1, first as i64, count);
        Ok(Tensor::f_cat(
            &[
                part(self.first_positive, queries),
                part(self.first_negative, negatives),
            ],
            1,
        )?)
    }
}
