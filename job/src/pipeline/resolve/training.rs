//! A SpladeTraining as a plan, with its export and its benchmarks.

use super::{PlannedTraining, Reader, recipe, wants_gpu};
use crate::export::ExportPlan;
use crate::model::StoredKind;
use crate::training::{
    DataPlan, InitialWeights, ModelPlan, Recipe, SpecialTokenPolicy, Surroundings, TrainingPlan,
};
use splade_crds::training as api;
use std::time::Duration;

impl Reader<'_> {
    pub(super) fn training(
        &mut self,
        name: &str,
        spec: &api::SpladeTrainingSpec,
        earlier: &[&api::SpladeTraining],
    ) -> PlannedTraining {
        let folder = self.path("spec.model.base", &spec.model.base);
        if spec.evaluation.is_some() {
            self.refuse(
                "spec.evaluation",
                "evaluation while training is not supported by this version of splade-job",
            );
        }
        let special_tokens = if spec.model.mask_special_tokens {
            SpecialTokenPolicy::Omit
        } else {
            SpecialTokenPolicy::Keep
        };
        let weights = self.initial_weights(spec.init_from.as_ref(), earlier);
        let recipe = Recipe {
            model: ModelPlan {
                folder: folder.clone(),
                weights,
                special_tokens,
                head_rescale: spec
                    .model
                    .head_rescale
                    .as_ref()
                    .map(|factor| factor.value()),
            },
            data: DataPlan {
                train: self.globs("spec.data.train", &spec.data.train),
                validation: self.globs("spec.data.validation", &spec.data.validation),
                query_max_length: spec.data.query_max_length as usize,
                document_max_length: spec.data.document_max_length as usize,
                hard_negatives: spec.data.hard_negatives as usize,
            },
            loss: recipe::loss(&spec.loss),
            optimizer: self.optimizer(&spec.optimizer),
        };
        let export = spec.export.as_ref().map(|export| ExportPlan {
            folder: self.path("spec.export.uri", &export.uri),
            base: folder,
            kind: match export.dtype {
                api::Precision::FP32 => StoredKind::Float,
                api::Precision::BF16 => StoredKind::BFloat16,
            },
            omit_special_tokens: spec.model.mask_special_tokens,
            max_length: spec.data.document_max_length as usize,
        });
        let lengths = (
            spec.data.query_max_length as usize,
            spec.data.document_max_length as usize,
        );
        let model = export
            .as_ref()
            .map(|export| export.folder.clone())
            .unwrap_or_default();
        let benchmarks = spec
            .benchmarks
            .iter()
            .enumerate()
            .map(|(index, benchmark)| {
                let name = format!("{name}-{}", benchmark.name);
                self.benchmark(
                    &format!("spec.benchmarks[{index}]"),
                    &name,
                    &benchmark.plan,
                    model.clone(),
                    lengths,
                )
            })
            .collect();
        PlannedTraining {
            plan: TrainingPlan {
                name: name.to_owned(),
                recipe,
                surroundings: self.surroundings(spec),
            },
            export,
            benchmarks,
            otlp_endpoint: spec.telemetry.otlp_endpoint.clone(),
            wants_gpu: wants_gpu(&spec.gang.device_resource),
            ranks: spec.gang.world_size(),
        }
    }

    fn surroundings(&mut self, spec: &api::SpladeTrainingSpec) -> Surroundings {
        let checkpoints = self.path("spec.checkpoint.uri", &spec.checkpoint.uri);
        Surroundings {
            shard_cache: match &spec.data.cache {
                Some(uri) => self.path("spec.data.cache", uri),
                None => checkpoints.join("shards"),
            },
            checkpoints,
            every_steps: spec.checkpoint.every_steps.map(u64::from),
            every_minutes: spec.checkpoint.every_minutes.map(u64::from),
            keep_last: spec.checkpoint.keep_last as usize,
            resume: spec.checkpoint.resume == api::Resume::Auto,
            stall_after: Duration::from_secs(u64::from(spec.run_policy.stall_timeout_seconds)),
            log_every: u64::from(spec.telemetry.log_every_steps),
            tensorboard: spec
                .telemetry
                .tensorboard
                .as_ref()
                .map(|uri| self.path("spec.telemetry.tensorboard", uri)),
        }
    }

    fn initial_weights(
        &mut self,
        from: Option<&api::InitFrom>,
        earlier: &[&api::SpladeTraining],
    ) -> Option<InitialWeights> {
        match from? {
            api::InitFrom::Uri(uri) => {
                Some(InitialWeights::Folder(self.path("spec.initFrom.uri", uri)))
            }
            api::InitFrom::TrainingRef(reference) => {
                let named = |training: &&&api::SpladeTraining| {
                    training.metadata.name.as_deref() == Some(&reference.name)
                };
                let Some(training) = earlier.iter().find(named) else {
                    let what = format!(
                        "no SpladeTraining {} stands before this one in the file",
                        reference.name
                    );
                    self.refuse("spec.initFrom.trainingRef", what);
                    return None;
                };
                let folder = self.path("spec.checkpoint.uri", &training.spec.checkpoint.uri);
                Some(InitialWeights::Checkpoints(folder))
            }
        }
    }
}
