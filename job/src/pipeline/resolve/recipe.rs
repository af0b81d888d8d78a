//! The loss and the optimizer of a recipe.

use super::Reader;
use crate::losses::{CandidateRules, FlopsSchedule, InBatch, Shape};
use crate::model::Precision;
use crate::optimizer::{AdamWSettings, Decay};
use crate::training::{
    DistillationPlan, FlopsPlan, FlopsScope, Length, LossPlan, OptimizerPlan, Warmup,
};
use splade_crds::training as api;

impl Reader<'_> {
    pub(super) fn optimizer(&mut self, spec: &api::OptimizerSpec) -> OptimizerPlan {
        let length = match spec.length() {
            Ok(api::TrainingLength::Epochs(epochs)) => Length::Epochs(u64::from(epochs)),
            Ok(api::TrainingLength::Steps(steps)) => Length::Steps(u64::from(steps)),
            Err(conflict) => {
                self.refuse("spec.optimizer", conflict.to_string());
                Length::Steps(0)
            }
        };
        let warmup = match spec.warmup() {
            Ok(api::Warmup::Ratio(ratio)) => Warmup::Ratio(ratio.value()),
            Ok(api::Warmup::Steps(steps)) => Warmup::Steps(u64::from(steps)),
            Err(conflict) => {
                self.refuse("spec.optimizer", conflict.to_string());
                Warmup::Steps(0)
            }
        };
        OptimizerPlan {
            length,
            learning_rate: spec.learning_rate.value(),
            decay: match spec.schedule {
                api::LearningRateSchedule::Cosine => Decay::Cosine,
                api::LearningRateSchedule::Linear => Decay::Linear,
                api::LearningRateSchedule::Constant => Decay::Constant,
            },
            warmup,
            adamw: AdamWSettings {
                beta1: spec.beta1.value(),
                beta2: spec.beta2.value(),
                epsilon: spec.epsilon.value(),
                weight_decay: spec.weight_decay.value(),
            },
            gradient_clip: (!spec.gradient_clip.is_zero()).then(|| spec.gradient_clip.value()),
            batch_size: spec.batch_size_per_device as usize,
            accumulation: spec.gradient_accumulation_steps as usize,
            precision: match spec.precision {
                api::Precision::FP32 => Precision::Float,
                api::Precision::BF16 => Precision::BFloat16,
            },
            seed: spec.seed,
        }
    }
}

pub(super) fn loss(spec: &api::LossSpec) -> LossPlan {
    LossPlan {
        info_nce: spec.info_nce.value(),
        temperature: spec.temperature.value(),
        flops: FlopsPlan {
            query: spec.flops.query.value(),
            document: spec.flops.document.value(),
            negative: spec.flops.negative.as_ref().map(|weight| weight.value()),
            documents_with_negatives: spec.flops.documents == api::FlopsDocuments::All,
            scope: match spec.flops.scope {
                api::FlopsScope::Rank => FlopsScope::Rank,
                api::FlopsScope::Global => FlopsScope::Global,
            },
            schedule: FlopsSchedule {
                shape: match spec.flops.schedule.kind {
                    api::FlopsScheduleType::Quadratic => Shape::Quadratic,
                    api::FlopsScheduleType::Linear => Shape::Linear,
                    api::FlopsScheduleType::Constant => Shape::Constant,
                },
                warmup_steps: u64::from(spec.flops.schedule.warmup_steps),
                initial_ratio: spec.flops.schedule.initial_ratio.value(),
            },
        },
        candidates: CandidateRules {
            in_batch: match spec.negatives.in_batch {
                api::InBatchNegatives::OwnHard => InBatch::OwnHard,
                api::InBatchNegatives::AllColumns => InBatch::AllColumns,
            },
            mask_duplicates: spec.negatives.mask_duplicates,
            teacher_margin: spec
                .negatives
                .teacher_margin
                .as_ref()
                .map(|margin| margin.value()),
        },
        cross_rank: spec.negatives.cross_rank,
        distillation: spec
            .distillation
            .as_ref()
            .map(|distillation| DistillationPlan {
                margin_mse: distillation
                    .margin_mse
                    .as_ref()
                    .map(|weight| weight.value()),
                kl: distillation.kl.as_ref().map(|weight| weight.value()),
                temperature: distillation.temperature.value(),
            }),
    }
}
