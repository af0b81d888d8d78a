//! Retrieval evaluation while training: the current model on a data set, exactly, with the work spread over the ranks.

use super::error::TrainingError;
use super::plan::EvaluationPlan;
use crate::distributed::Gang;
use crate::encoder::{EncodeError, Pruning, encode};
use crate::model::Splade;
use serde::{Deserialize, Serialize};
use splade_data::Tokenizer;
use splade_retrieval::beir::BeirError;
use splade_retrieval::metrics::NoJudgments;
use splade_retrieval::ranking::RankingError;
use splade_retrieval::sparse::SparseIndexError;
use splade_retrieval::{
    Dataset, Document, DocumentIds, Metrics, Ranking, Run, SparseIndex, SparseVector, evaluate,
};
use std::collections::HashMap;
use tch::{Device, Tensor};

/// Hits of a query: recall@100 needs no more.
const DEPTH: usize = 100;
/// Documents encoded at a time.
const DOCUMENTS_AT_ONCE: usize = 512;

/// An evaluation that fails.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The data set.
    #[error("evaluation.dataset: {0}")]
    Dataset(#[from] BeirError),
    /// The model.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The index.
    #[error(transparent)]
    Index(#[from] SparseIndexError),
    /// The hits.
    #[error(transparent)]
    Ranking(#[from] RankingError),
    /// Nothing to judge by.
    #[error("evaluation.dataset: {0}")]
    NoJudgments(#[from] NoJudgments),
}

/// The data set of an evaluation, loaded once.
#[derive(Debug)]
pub(super) struct Evaluator {
    dataset: Dataset,
    documents: DocumentIds,
    /// Place of each document in the corpus, by id.
    numbers: HashMap<String, u32>,
    query_max_length: usize,
    document_max_length: usize,
}

impl Evaluator {
    /// Loads the data set.
    pub(super) fn open(
        plan: &EvaluationPlan,
        query_max_length: usize,
        document_max_length: usize,
    ) -> Result<Self, EvaluationError> {
        let dataset = Dataset::load(&plan.folder, &plan.dataset, &plan.split)?;
        let ids = dataset.corpus.iter().map(|document| document.id.as_str());
        let documents = DocumentIds::new(ids.clone())?;
        let numbers = ids.map(str::to_owned).zip(0..).collect();
        Ok(Self {
            dataset,
            documents,
            numbers,
            query_max_length,
            document_max_length,
        })
    }

    /// The metrics of the model as it is. Every rank encodes all queries and its share of the documents, searches
    /// that share, and learns what the others found: the result is the same on all. `beat` is a sign of life in between.
    pub(super) fn evaluate(
        &self,
        model: &Splade,
        tokenizer: &Tokenizer,
        gang: &Gang,
        beat: &dyn Fn(),
    ) -> Result<Metrics, TrainingError> {
        let found = self.search_share(model, tokenizer, gang, beat)?;
        let all = gang.all_gather(
            "the hits of an evaluation",
            &self.as_tensor(&found).to(model.device()),
        )?;
        let run = self.merge(&all, gang.size())?;
        let evaluation = evaluate(&self.dataset.qrels, &run).map_err(EvaluationError::from)?;
        Ok(evaluation.mean)
    }

    /// The best documents of this rank's share for every query.
    fn search_share(
        &self,
        model: &Splade,
        tokenizer: &Tokenizer,
        gang: &Gang,
        beat: &dyn Fn(),
    ) -> Result<Run, EvaluationError> {
        let share: Vec<&Document> = self
            .dataset
            .corpus
            .iter()
            .skip(gang.rank())
            .step_by(gang.size())
            .collect();
        let mut vectors = Vec::with_capacity(share.len());
        for chunk in share.chunks(DOCUMENTS_AT_ONCE) {
            beat();
            let texts: Vec<_> = chunk.iter().map(|document| document.contents()).collect();
            let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            let length = self.document_max_length;
            vectors.extend(encode(
                model,
                tokenizer,
                &texts,
                length,
                Pruning::default(),
            )?);
        }
        let ids = DocumentIds::new(share.iter().map(|document| document.id.as_str()))?;
        let index = SparseIndex::build(ids, &vectors)?;
        let texts: Vec<&str> = self
            .dataset
            .queries
            .iter()
            .map(|query| query.text.as_str())
            .collect();
        let length = self.query_max_length;
        let queries = encode(model, tokenizer, &texts, length, Pruning::default())?;
        let named: Vec<(String, SparseVector)> = self
            .dataset
            .queries
            .iter()
            .map(|query| query.id.clone())
            .zip(queries)
            .collect();
        Ok(index.search_all(&named, DEPTH)?)
    }

    /// Document number and score of every hit, `[queries, DEPTH, 2]`; -1 where a query has fewer hits.
    fn as_tensor(&self, run: &Run) -> Tensor {
        let mut numbers = Vec::with_capacity(self.dataset.queries.len() * DEPTH * 2);
        for query in &self.dataset.queries {
            let hits = run.get(&query.id).map_or(&[][..], Ranking::hits);
            for hit in hits {
                let number = self.numbers.get(&*hit.document);
                numbers.push(number.map_or(-1.0, |&number| f64::from(number)));
                numbers.push(f64::from(hit.score));
            }
            numbers.extend(std::iter::repeat_n(-1.0, 2 * (DEPTH - hits.len())));
        }
        Tensor::from_slice(&numbers).view([-1, DEPTH as i64, 2])
    }

    /// The best hits over all ranks.
    fn merge(&self, all: &Tensor, ranks: usize) -> Result<Run, TrainingError> {
        let all: Vec<f64> = Vec::try_from(all.to(Device::Cpu).view([-1]))?;
        let queries = self.dataset.queries.len();
        let mut run = Run::new();
        for (place, query) in self.dataset.queries.iter().enumerate() {
            let hits = (0..ranks).flat_map(|rank| {
                let first = (rank * queries + place) * DEPTH * 2;
                all[first..first + DEPTH * 2].chunks(2)
            });
            let candidates = hits
                .filter(|hit| hit[0] >= 0.0)
                .map(|hit| (hit[0] as u32, hit[1] as f32));
            let ranking = self
                .documents
                .rank(candidates, DEPTH)
                .map_err(EvaluationError::from)?;
            run.insert(query.id.clone(), ranking);
        }
        Ok(run)
    }
}

/// What the evaluations so far have found. Part of a checkpoint's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Data set and metric that the values are of.
    pub subject: String,
    /// Whether the best checkpoint is the result of the training.
    pub selects: bool,
    /// Step of the newest evaluation.
    pub last_step: Option<u64>,
    /// The best one.
    pub best: Option<Best>,
    /// Evaluations since the best one.
    pub without_improvement: u32,
    /// Training ended because of them.
    pub stopped_early: bool,
}

/// The best evaluation and where its checkpoint lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Optimizer steps done.
    pub step: u64,
    /// Start of the training that wrote the checkpoint.
    pub attempt: u32,
    /// The metric.
    pub value: f64,
}

impl Standing {
    /// Nothing evaluated yet.
    pub(super) fn new(plan: &EvaluationPlan) -> Self {
        Self {
            subject: plan.subject(),
            selects: plan.select_best,
            ..Self::default()
        }
    }

    /// Takes in the metric at a step; true where it is the best so far. With `patience`, so many evaluations in a row
    /// without a better one end the training.
    pub(super) fn take_in(
        &mut self,
        step: u64,
        attempt: u32,
        value: f64,
        patience: Option<u32>,
    ) -> bool {
        self.last_step = Some(step);
        let is_best = self.best.as_ref().is_none_or(|best| value > best.value);
        if is_best {
            self.best = Some(Best {
                step,
                attempt,
                value,
            });
            self.without_improvement = 0;
        } else {
            self.without_improvement += 1;
            self.stopped_early = patience.is_some_and(|most| self.without_improvement >= most);
        }
        is_best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_evaluations_since_the_best() {
        let mut standing = Standing::default();
        let values = [0.3, 0.5, 0.5, 0.4, 0.6, 0.1, 0.2, 0.3];
        let seen: Vec<(bool, bool)> = (1..)
            .zip(values)
            .map(|(step, value)| {
                let is_best = standing.take_in(step * 10, 1, value, Some(3));
                (is_best, standing.stopped_early)
            })
            .collect();
        let best: Vec<usize> = (0..8).filter(|&place| seen[place].0).collect();
        assert_eq!(best, [0, 1, 4], "an equal value is no better one");
        assert_eq!(seen.iter().position(|(_, stopped)| *stopped), Some(7));
        assert_eq!(standing.best.map(|best| best.step), Some(50));
        let mut patient = Standing::default();
        for step in 1..100 {
            patient.take_in(step, 1, -(step as f64), None);
        }
        assert!(!patient.stopped_early);
    }
}
