//! How the loss is minimised, and for how long.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::schema::{above_zero, below_one, cel, up_to_one};

const DEFAULT_WARMUP_RATIO: &str = "0.1";

/// AdamW, its learning rate schedule, batches and numeric precision.
///
/// The effective batch is batchSizePerDevice * gradientAccumulationSteps * gang.nodes *
/// gang.devicesPerNode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = cel(&[
    ("has(self.epochs) != has(self.maxSteps)", "exactly one of epochs, maxSteps must be set"),
    (
        "!(has(self.warmupRatio) && has(self.warmupSteps))",
        "at most one of warmupRatio, warmupSteps may be set",
    ),
])))]
pub struct OptimizerSpec {
    /// Passes over the training data. Exactly one of epochs and maxSteps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100000))]
    pub epochs: Option<u32>,
    /// Optimizer steps; the data is repeated as often as needed. Exactly one of epochs and
    /// maxSteps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_steps: Option<u32>,
    /// Highest learning rate, reached at the end of the warm-up. Greater than 0.
    #[schemars(extend("x-kubernetes-validations" = above_zero()))]
    pub learning_rate: Decimal,
    /// Decoupled weight decay (AdamW). Biases and normalisation weights are not decayed.
    pub weight_decay: Decimal,
    /// Share of all steps in which the learning rate rises linearly from 0. From 0 to 1. "0.1" when
    /// neither warmupRatio nor warmupSteps is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = up_to_one()))]
    pub warmup_ratio: Option<Decimal>,
    /// Steps in which the learning rate rises linearly from 0. Excludes warmupRatio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<u32>,
    /// Course of the learning rate after the warm-up.
    pub schedule: LearningRateSchedule,
    /// Largest L2 norm of the gradient over all parameters; longer gradients are scaled down. "0"
    /// does not clip.
    pub gradient_clip: Decimal,
    /// Queries in one forward pass of one device.
    #[schemars(range(min = 1, max = 65536))]
    pub batch_size_per_device: u32,
    /// Forward passes whose gradients are averaged into one optimizer step. Adds no negatives.
    #[schemars(range(min = 1, max = 65536))]
    pub gradient_accumulation_steps: u32,
    /// Gradient caching (GradCache, arXiv:2101.06983): encode a batch in pieces of at most so many
    /// tokens. Loss and gradients stay those of the whole batch and memory is that of a piece, at
    /// the price of a second forward pass. Without it a batch is encoded at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub gradient_caching_tokens: Option<u32>,
    /// Number format of matrix products; weights, normalisation and loss are always FP32.
    pub precision: Precision,
    /// Seed of everything random: the order of the data and new weights. Up to 2^53 - 1.
    pub seed: u64,
    /// Decay of AdamW's mean of gradients. At least 0 and below 1.
    #[schemars(extend("x-kubernetes-validations" = below_one()))]
    pub beta1: Decimal,
    /// Decay of AdamW's mean of squared gradients. At least 0 and below 1.
    #[schemars(extend("x-kubernetes-validations" = below_one()))]
    pub beta2: Decimal,
    /// AdamW's guard against division by zero. Greater than 0.
    #[schemars(extend("x-kubernetes-validations" = above_zero()))]
    pub epsilon: Decimal,
}

impl Default for OptimizerSpec {
    fn default() -> Self {
        Self {
            epochs: None,
            max_steps: None,
            learning_rate: Decimal::constant("5e-5"),
            weight_decay: Decimal::constant("0.01"),
            warmup_ratio: None,
            warmup_steps: None,
            schedule: LearningRateSchedule::default(),
            gradient_clip: Decimal::constant("1.0"),
            batch_size_per_device: 64,
            gradient_accumulation_steps: 4,
            gradient_caching_tokens: None,
            precision: Precision::BF16,
            seed: 42,
            beta1: Decimal::constant("0.9"),
            beta2: Decimal::constant("0.999"),
            epsilon: Decimal::constant("1e-8"),
        }
    }
}

/// How long a training lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainingLength {
    /// Passes over the data.
    Epochs(u32),
    /// Optimizer steps.
    Steps(u32),
}

/// How long the learning rate rises.
#[derive(Clone, Debug, PartialEq)]
pub enum Warmup {
    /// Share of all steps.
    Ratio(Decimal),
    /// Optimizer steps.
    Steps(u32),
}

/// Two settings that exclude each other are both there, or neither is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptimizerConflict {
    /// Neither or both of `epochs` and `maxSteps`.
    #[error("exactly one of epochs, maxSteps must be set")]
    Length,
    /// Both `warmupRatio` and `warmupSteps`.
    #[error("at most one of warmupRatio, warmupSteps may be set")]
    Warmup,
}

impl OptimizerSpec {
    /// How long to train.
    ///
    /// # Errors
    /// When not exactly one of `epochs` and `maxSteps` is set.
    pub fn length(&self) -> Result<TrainingLength, OptimizerConflict> {
        match (self.epochs, self.max_steps) {
            (Some(epochs), None) => Ok(TrainingLength::Epochs(epochs)),
            (None, Some(steps)) => Ok(TrainingLength::Steps(steps)),
            _ => Err(OptimizerConflict::Length),
        }
    }

    /// How long the learning rate rises.
    ///
    /// # Errors
    /// When both `warmupRatio` and `warmupSteps` are set.
    pub fn warmup(&self) -> Result<Warmup, OptimizerConflict> {
        match (&self.warmup_ratio, self.warmup_steps) {
            (Some(_), Some(_)) => Err(OptimizerConflict::Warmup),
            (None, Some(steps)) => Ok(Warmup::Steps(steps)),
            (Some(ratio), None) => Ok(Warmup::Ratio(ratio.clone())),
            (None, None) => Ok(Warmup::Ratio(Decimal::constant(DEFAULT_WARMUP_RATIO))),
        }
    }
}

/// Course of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LearningRateSchedule {
    /// Half a cosine, down to 0 at the last step.
    #[default]
    Cosine,
    /// A straight line, down to 0 at the last step.
    Linear,
    /// Stays at learningRate.
    Constant,
}

/// Number format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Precision {
    /// bfloat16: 8 bits of exponent, 7 of fraction.
    BF16,
    /// IEEE single precision.
    FP32,
}
