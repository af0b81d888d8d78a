//! Where a run is: epochs, windows and micro-batches, all derived from the optimizer step.

use super::plan::{Length, OptimizerPlan, Warmup};
use crate::optimizer::LearningRate;
use splade_data::DistributedSampler;

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
    /// Example indices of each micro-batch. The last of an epoch may be short, and so may the last batch.
    pub batches: Vec<Vec<u32>>,
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
    pub fn window(&self, epoch: u64, window: u64, order: &[u32]) -> Window {
        let first_batch = window as usize * self.accumulation;
        let batches = order
            .chunks(self.batch_size)
            .skip(first_batch)
            .take(self.accumulation)
            .map(<[u32]>::to_vec)
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
pub struct EpochOrder {
    sampler: DistributedSampler,
    epoch: Option<u64>,
    order: Vec<u32>,
}

impl EpochOrder {
    /// Orders from this sampler.
    pub fn new(sampler: DistributedSampler) -> Self {
        Self {
            sampler,
            epoch: None,
            order: Vec::new(),
        }
    }

    /// Example indices of `epoch` in order.
    pub fn of(&mut self, epoch: u64) -> &[u32] {
        if self.epoch != Some(epoch) {
            self.order = self.sampler.epoch(epoch);
            self.epoch = Some(epoch);
        }
        &self.order
    }
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
