//! Where a run is: epochs, windows and micro-batches, all derived from the optimizer step.

use super::plan::{Length, OptimizerPlan, Warmup};
use crate::optimizer::LearningRate;
use splade_data::{DistributedSampler, EpochOrder};

/// The fixed arithmetic of a run over `triplets` examples of one rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    triplets: usize,
    batch_size: usize,
    accumulation: usize,
    /// Optimizer steps of the whole run.
    pub total_steps: u64,
}

/// The micro-batches of one optimizer step.
#[derive(Debug, PartialEq, Eq)]
pub struct Window {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Index of the first micro-batch inside the epoch.
    pub first_batch: usize,
    /// Example indices by micro-batch and rank. The last window of an epoch may be short, and so may the last batch;
    /// all ranks have batches of the same length.
    pub batches: Vec<Vec<Vec<u32>>>,
}

impl Course {
    /// The course of a run whose sampler hands this rank `triplets` examples an epoch.
    pub fn new(triplets: usize, plan: &OptimizerPlan) -> Self {
        let mut course = Self {
            triplets,
            batch_size: plan.batch_size,
            accumulation: plan.accumulation,
            total_steps: 0,
        };
        course.total_steps = match plan.length {
            Length::Steps(steps) => steps,
            Length::Epochs(epochs) => epochs * course.steps_per_epoch(),
        };
        course
    }

    /// Optimizer steps of an epoch, a last short window included.
    pub fn steps_per_epoch(&self) -> u64 {
        self.triplets
            .div_ceil(self.batch_size)
            .div_ceil(self.accumulation) as u64
    }

    /// Epoch and window inside it of optimizer step `step`.
    pub fn place(&self, step: u64) -> (u64, u64) {
        (step / self.steps_per_epoch(), step % self.steps_per_epoch())
    }

    /// The micro-batches of window `window` of an epoch, given the epoch's order.
    pub fn window(&self, epoch: u64, window: u64, order: &EpochOrder) -> Window {
        let first_batch = window as usize * self.accumulation;
        let last_batch = order.share().div_ceil(self.batch_size);
        let batches = (first_batch..last_batch)
            .take(self.accumulation)
            .map(|batch| {
                let first = batch * self.batch_size;
                (0..order.ranks())
                    .map(|rank| order.slice(rank, first..first + self.batch_size))
                    .collect()
            })
            .collect();
        Window {
            epoch,
            first_batch,
            batches,
        }
    }

    /// The learning rate of this run.
    pub fn learning_rate(&self, plan: &OptimizerPlan) -> LearningRate {
        let warmup_steps = match plan.warmup {
            Warmup::Steps(steps) => steps,
            // As transformers rounds it.
            Warmup::Ratio(ratio) => (self.total_steps as f64 * ratio).ceil() as u64,
        };
        LearningRate {
            peak: plan.learning_rate,
            warmup_steps,
            total_steps: self.total_steps,
            decay: plan.decay,
        }
    }
}

/// The order of one epoch at a time, made when it is first asked for.
#[derive(Debug)]
pub struct Orders {
    sampler: DistributedSampler,
    newest: Option<(u64, EpochOrder)>,
}

impl Orders {
    /// Orders from this sampler.
    pub fn new(sampler: DistributedSampler) -> Self {
        Self {
            sampler,
            newest: None,
        }
    }

    /// The order of `epoch`.
    pub fn of(&mut self, epoch: u64) -> &EpochOrder {
        let known = self.newest.take().filter(|(known, _)| *known == epoch);
        let (_, order) = self
            .newest
            .insert(known.unwrap_or_else(|| (epoch, self.sampler.epoch(epoch))));
        order
    }
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
