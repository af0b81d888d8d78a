//! Stops a run that can no longer learn, and says where.

use super::step::MEASURES;

/// Share of the vocabulary from which on a vector counts as dense.
const DENSE_SHARE: f64 = 0.99;
/// A model may start dense; after this many optimizer steps in a row it has collapsed.
const DENSE_STEPS: u32 = 200;

/// Why a run cannot go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Collapse {
    /// A value is not finite.
    #[error(
        "step {step}, epoch {epoch}, batch {batch} (triplets {triplets:?}): {measure} is {value}. \
         Lower optimizer.learningRate, or look at these triplets"
    )]
    NotFinite {
        /// Optimizer step, from 0.
        step: u64,
        /// Epoch, from 0.
        epoch: u64,
        /// Micro-batch of the epoch, from 0.
        batch: usize,
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
    /// No term of any query or of any document is active: no gradient can bring one back.
    #[error(
        "step {step}, epoch {epoch}, batch {batch}: no term of any {side} is active. \
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
    /// Example indices of the window's micro-batches.
    pub batches: &'a [Vec<u32>],
}

/// Watches the measures of every optimizer step.
#[derive(Debug)]
pub struct Guard {
    vocabulary: i64,
    dense_steps: u32,
}

impl Guard {
    /// A guard for a model with this many terms.
    pub fn new(vocabulary: i64) -> Self {
        Self {
            vocabulary,
            dense_steps: 0,
        }
    }

    /// Looks at the measures of each micro-batch of a step and at its gradient norm.
    ///
    /// # Errors
    /// The first reason why the run cannot go on.
    pub fn look(
        &mut self,
        place: Place,
        measured: &[Vec<f64>],
        gradient_norm: f64,
    ) -> Result<(), Collapse> {
        let Place {
            step,
            epoch,
            first_batch,
            batches,
        } = place;
        let sides = [
            ("query", "active_dimensions_query"),
            ("document", "active_dimensions_document"),
        ]
        .map(|(side, name)| {
            (
                side,
                MEASURES
                    .iter()
                    .position(|measure| *measure == name)
                    .unwrap_or_default(),
            )
        });
        let mut dense = None;
        for (offset, values) in measured.iter().enumerate() {
            let batch = first_batch + offset;
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                let triplets = batches[offset].iter().take(8).copied().collect();
                let (measure, value) = (MEASURES[index], values[index]);
                return Err(Collapse::NotFinite {
                    step,
                    epoch,
                    batch,
                    triplets,
                    measure,
                    value,
                });
            }
            for (side, index) in sides {
                let active = values[index];
                if active == 0.0 {
                    return Err(Collapse::Empty {
                        step,
                        epoch,
                        batch,
                        side,
                    });
                }
                if active >= DENSE_SHARE * self.vocabulary as f64 {
                    dense = Some(Collapse::Dense {
                        step,
                        epoch,
                        batch,
                        side,
                        active,
                        vocabulary: self.vocabulary,
                    });
                }
            }
        }
        if !gradient_norm.is_finite() {
            return Err(Collapse::Gradient {
                step,
                epoch,
                batch: first_batch,
                value: gradient_norm,
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
}
