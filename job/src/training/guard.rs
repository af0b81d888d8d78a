//! Stops a run that can no longer learn, and says where.

use super::exchange::{BatchReport, StepReport};
use super::loss::{ACTIVE_DIMENSIONS_DOCUMENT, ACTIVE_DIMENSIONS_QUERY, MEASURES};

/// Share of the vocabulary from which on a vector counts as dense.
const DENSE_SHARE: f64 = 0.99;
/// A model may start dense; after this many optimizer steps in a row it has collapsed.
const DENSE_STEPS: u32 = 200;
/// A batch of one may be empty by chance; this many rows in a row are not.
const EMPTY_ROWS: usize = 64;

/// Why a run cannot go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Collapse {
    /// A value is not finite.
    #[error(
        "step {step}, epoch {epoch}, batch {batch} of rank {rank} (triplets {triplets:?}): {measure} is {value}. \
         Lower optimizer.learningRate, or look at these triplets"
    )]
    NotFinite {
        /// Optimizer step, from 0.
        step: u64,
        /// Epoch, from 0.
        epoch: u64,
        /// Micro-batch of the epoch, from 0.
        batch: usize,
        /// The rank whose batch it is.
        rank: usize,
        /// Indices of the first triplets of that batch.
        triplets: Vec<u32>,
        /// What is not finite.
        measure: &'static str,
        /// Its value.
        value: f64,
    },
    /// The gradient is not finite although the losses are.
    #[error(
        "step {step}, epoch {epoch}, batches from {batch}: the gradient norm is {value}. Lower optimizer.learningRate"
    )]
    Gradient {
        /// Optimizer step, from 0.
        step: u64,
        /// Epoch, from 0.
        epoch: u64,
        /// First micro-batch of the step.
        batch: usize,
        /// The norm.
        value: f64,
    },
    /// No query or no document has had an active term for many rows: nothing is left to learn from.
    #[error(
        "step {step}, epoch {epoch}, batch {batch}: none of the last {EMPTY_ROWS} {side} texts has an active term. \
         Lower loss.flops, lengthen its schedule, or set model.headRescale"
    )]
    Empty {
        /// Optimizer step, from 0.
        step: u64,
        /// Epoch, from 0.
        epoch: u64,
        /// Micro-batch of the epoch, from 0.
        batch: usize,
        /// Queries or documents.
        side: &'static str,
    },
    /// Practically every term has been active for many steps.
    #[error(
        "step {step}, epoch {epoch}, batch {batch}: {active:.0} of {vocabulary} terms of a {side} are active, \
         for {DENSE_STEPS} steps in a row. Raise loss.flops, lower optimizer.learningRate, or set model.headRescale"
    )]
    Dense {
        /// Optimizer step, from 0.
        step: u64,
        /// Epoch, from 0.
        epoch: u64,
        /// Micro-batch of the epoch, from 0.
        batch: usize,
        /// Query or document.
        side: &'static str,
        /// Mean active terms.
        active: f64,
        /// Rows of the embedding.
        vocabulary: i64,
    },
}

/// Where a window of micro-batches lies.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Optimizer step, from 0.
    pub step: u64,
    /// Epoch, from 0.
    pub epoch: u64,
    /// First micro-batch of the window inside the epoch.
    pub first_batch: usize,
    /// Example indices of the window by micro-batch and rank.
    pub batches: &'a [Vec<Vec<u32>>],
}

/// Watches the measures of every optimizer step.
#[derive(Debug)]
pub struct Guard {
    vocabulary: i64,
    dense_steps: u32,
    sides: [Side; 2],
}

/// Queries or documents.
#[derive(Debug)]
struct Side {
    name: &'static str,
    /// Place of its active dimensions among the measures.
    measure: usize,
    /// Rows without an active term since the last one that had any.
    empty_rows: usize,
}

impl Guard {
    /// A guard for a model with this many terms.
    pub fn new(vocabulary: i64) -> Self {
        let side = |name, measure| Side {
            name,
            measure,
            empty_rows: 0,
        };
        Self {
            vocabulary,
            dense_steps: 0,
            sides: [
                side("query", ACTIVE_DIMENSIONS_QUERY),
                side("document", ACTIVE_DIMENSIONS_DOCUMENT),
            ],
        }
    }

    /// Looks at the measures of each micro-batch of all ranks at a step and at the gradient norm.
    ///
    /// # Errors
    /// The first reason why the run cannot go on.
    pub fn look(&mut self, place: Place, report: &StepReport) -> Result<(), Collapse> {
        let mut dense = None;
        for offset in 0..place.batches.len() {
            for (rank, batches) in report.ranks.iter().enumerate() {
                let BatchReport { values, .. } = &batches[offset];
                check_finite(place, offset, rank, values)?;
                self.check_empty(place, offset, values)?;
                dense = self.find_dense(place, offset, values).or(dense);
            }
        }
        if !report.gradient_norm.is_finite() {
            return Err(Collapse::Gradient {
                step: place.step,
                epoch: place.epoch,
                batch: place.first_batch,
                value: report.gradient_norm,
            });
        }
        self.dense_steps = if dense.is_some() {
            self.dense_steps + 1
        } else {
            0
        };
        match dense {
            Some(collapse) if self.dense_steps >= DENSE_STEPS => Err(collapse),
            _ => Ok(()),
        }
    }

    fn check_empty(&mut self, place: Place, offset: usize, values: &[f64]) -> Result<(), Collapse> {
        for side in &mut self.sides {
            side.empty_rows = if values[side.measure] == 0.0 {
                side.empty_rows + place.batches[offset].first().map_or(0, Vec::len)
            } else {
                0
            };
            if side.empty_rows >= EMPTY_ROWS {
                return Err(Collapse::Empty {
                    step: place.step,
                    epoch: place.epoch,
                    batch: place.first_batch + offset,
                    side: side.name,
                });
            }
        }
        Ok(())
    }

    fn find_dense(&self, place: Place, offset: usize, values: &[f64]) -> Option<Collapse> {
        let most = DENSE_SHARE * self.vocabulary as f64;
        let side = self
            .sides
            .iter()
            .find(|side| values[side.measure] >= most)?;
        Some(Collapse::Dense {
            step: place.step,
            epoch: place.epoch,
            batch: place.first_batch + offset,
            side: side.name,
            active: values[side.measure],
            vocabulary: self.vocabulary,
        })
    }
}

fn check_finite(place: Place, offset: usize, rank: usize, values: &[f64]) -> Result<(), Collapse> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Collapse::NotFinite {
            step: place.step,
            epoch: place.epoch,
            batch: place.first_batch + offset,
            rank,
            triplets: place.batches[offset][rank]
                .iter()
                .take(8)
                .copied()
                .collect(),
            measure: MEASURES[index],
            value: values[index],
        }),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
