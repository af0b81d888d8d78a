//! A SpladeTraining as a plan, with its export and its benchmarks.

use super::benchmark::{Subject, metric};
use super::{FetchKind, NeedKind, PlannedBenchmark, PlannedTraining, Reader, recipe, wants_gpu};
use crate::checkpoint::Patience;
use crate::export::ExportPlan;
use crate::model::StoredKind;
use crate::training::{
    DataPlan, EvaluationPlan, InitialWeights, Input, ModelPlan, Recipe, SpecialTokenPolicy,
    Surroundings, TensorBoard, TrainingPlan,
};
use splade_crds::benchmark::DatasetFormat;
use splade_crds::training as api;
use splade_storage::Location;
use std::time::Duration;

impl Reader<'_> {
    pub(super) fn training(
        &mut self,
        name: &str,
        spec: &api::SpladeTrainingSpec,
        earlier: &[&api::SpladeTraining],
    ) -> PlannedTraining {
        let base = self.input("spec.model.base", &spec.model.base, FetchKind::Folder);
        // What an earlier training of the file exports is there when this one begins.
        let exports = earlier.iter().filter_map(|one| one.spec.export.as_ref());
        let is_made = exports
            .into_iter()
            .any(|export| export.uri.contains(&spec.model.base));
        if !spec.model.base.is_s3() && !is_made {
            self.need("spec.model.base", NeedKind::Input(base.path.clone()));
        }
        let recipe = self.recipe(&base, spec, earlier);
        let surroundings = self.surroundings(name, spec);
        let fetches = std::mem::take(&mut self.fetches);
        let (export, publish) = self.export(base, spec);
        let benchmarks = self.benchmarks(name, spec, export.as_ref(), publish.as_ref());
        PlannedTraining {
            plan: TrainingPlan {
                name: name.to_owned(),
                recipe,
                surroundings,
            },
            export,
            benchmarks,
            otlp_endpoint: spec.telemetry.otlp_endpoint.clone(),
            fetches,
            publish,
            wants_gpu: wants_gpu(&spec.gang.device_resource),
            ranks: spec.gang.world_size(),
            termination_timeout: seconds(spec.run_policy.termination_timeout_seconds),
        }
    }

    fn recipe(
        &mut self,
        base: &Input,
        spec: &api::SpladeTrainingSpec,
        earlier: &[&api::SpladeTraining],
    ) -> Recipe {
        let special_tokens = if spec.model.mask_special_tokens {
            SpecialTokenPolicy::Omit
        } else {
            SpecialTokenPolicy::Keep
        };
        let weights = self.initial_weights(spec.init_from.as_ref(), earlier);
        Recipe {
            model: ModelPlan {
                folder: base.clone(),
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
        }
    }

    /// Where the model goes here, and in object storage if it goes there.
    fn export(
        &mut self,
        base: Input,
        spec: &api::SpladeTrainingSpec,
    ) -> (Option<ExportPlan>, Option<Location>) {
        let target = spec
            .export
            .as_ref()
            .map(|export| self.output("spec.export.uri", &export.uri));
        let (target, publish) = target.unwrap_or_default();
        if spec.export.is_some() && publish.is_none() {
            self.need("spec.export.uri", NeedKind::Export(target.clone()));
        }
        let export = spec.export.as_ref().map(|export| ExportPlan {
            folder: target,
            base: base.path,
            kind: match export.dtype {
                api::Precision::FP32 => StoredKind::Float,
                api::Precision::BF16 => StoredKind::BFloat16,
            },
            omit_special_tokens: spec.model.mask_special_tokens,
            max_length: spec.data.document_max_length as usize,
        });
        (export, publish)
    }

    fn benchmarks(
        &mut self,
        name: &str,
        spec: &api::SpladeTrainingSpec,
        export: Option<&ExportPlan>,
        publish: Option<&Location>,
    ) -> Vec<PlannedBenchmark> {
        if !self.with_benchmarks {
            return Vec::new();
        }
        let lengths = (
            spec.data.query_max_length as usize,
            spec.data.document_max_length as usize,
        );
        let subject = Subject {
            folder: export
                .map(|export| export.folder.clone())
                .unwrap_or_default(),
            published: publish.cloned(),
            lengths,
        };
        spec.benchmarks
            .iter()
            .enumerate()
            .map(|(index, benchmark)| {
                let name = format!("{name}-{}", benchmark.name);
                self.benchmark(
                    &format!("spec.benchmarks[{index}]"),
                    &name,
                    &benchmark.plan,
                    subject.clone(),
                )
            })
            .collect()
    }

    fn surroundings(&mut self, name: &str, spec: &api::SpladeTrainingSpec) -> Surroundings {
        let checkpoints = self.location("spec.checkpoint.uri", &spec.checkpoint.uri);
        if let Location::Local(folder) = &checkpoints {
            self.need("spec.checkpoint.uri", NeedKind::Output(folder.clone()));
        }
        let local = spec.data.cache.as_ref();
        let local = local.map(|uri| self.local("spec.data.cache", uri));
        let (shard_cache, scratch) = match (&local, &checkpoints) {
            (Some(cache), _) => (cache.clone(), cache.join("scratch").join(name)),
            (None, Location::Local(folder)) => (folder.join("shards"), folder.join("scratch")),
            (None, Location::S3(_)) => {
                let folder = std::env::temp_dir().join("splade-job");
                (folder.join("shards"), folder.join("scratch").join(name))
            }
        };
        Surroundings {
            shard_cache,
            scratch,
            checkpoints,
            storage_timeout: seconds(spec.checkpoint.storage_timeout_seconds),
            stall_timeout: seconds(spec.run_policy.stall_timeout_seconds),
            gang_timeout: gang_timeout(
                seconds(spec.run_policy.stall_timeout_seconds),
                seconds(spec.checkpoint.storage_timeout_seconds),
            ),
            every_steps: spec.checkpoint.every_steps.map(u64::from),
            every_minutes: spec.checkpoint.every_minutes.map(u64::from),
            keep_last: spec.checkpoint.keep_last as usize,
            resume: spec.checkpoint.resume == api::Resume::Auto,
            log_every: u64::from(spec.telemetry.log_every_steps),
            tensorboard: spec.telemetry.tensorboard.as_ref().map(|uri| {
                let (folder, publish) = self.output("spec.telemetry.tensorboard", uri);
                TensorBoard { folder, publish }
            }),
            evaluation: spec
                .evaluation
                .as_ref()
                .map(|evaluation| self.evaluation(evaluation)),
            gradient_caching_tokens: spec
                .optimizer
                .gradient_caching_tokens
                .map(|tokens| tokens as usize),
        }
    }

    fn evaluation(&mut self, spec: &api::EvaluationSpec) -> EvaluationPlan {
        let dataset = &spec.dataset;
        let mut unsupported = |field: &str, is_set: bool, what: &str| {
            if is_set {
                self.refuse(
                    format!("spec.evaluation.dataset.{field}"),
                    format!("{what} is not supported by this version of splade-job"),
                );
            }
        };
        unsupported(
            "format",
            dataset.format != DatasetFormat::Beir,
            "a format other than Beir",
        );
        unsupported(
            "corpusLimit",
            dataset.corpus_limit.is_some(),
            "cutting a corpus",
        );
        EvaluationPlan {
            dataset: dataset.name.clone(),
            folder: self.dataset("spec.evaluation.dataset", dataset),
            split: dataset.split.clone(),
            every_steps: u64::from(spec.every_steps),
            metric: metric(spec.metric),
            select_best: spec.select_best,
            patience: spec.patience,
        }
    }

    fn initial_weights(
        &mut self,
        from: Option<&api::InitFrom>,
        earlier: &[&api::SpladeTraining],
    ) -> Option<InitialWeights> {
        match from? {
            api::InitFrom::Uri(uri) => Some(InitialWeights::Folder(self.input(
                "spec.initFrom.uri",
                uri,
                FetchKind::Folder,
            ))),
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
                let location = self.location("spec.checkpoint.uri", &training.spec.checkpoint.uri);
                Some(InitialWeights::Checkpoints(location))
            }
        }
    }
}

/// How much longer ranks wait for one another than what they may have to wait for.
const GANG_MARGIN: Duration = Duration::from_secs(60);

/// How long ranks wait for one another: for a stall, which the launcher is to notice first, and for rank 0 as long as
/// its storage holds it up, because it alone can say why it ends.
fn gang_timeout(stall: Duration, storage: Duration) -> Duration {
    stall.max(Patience::new(storage).longest()) + GANG_MARGIN
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Else they would fail by themselves, with another exit code, before rank 0 can say that its storage is away.
        #[test]
        fn ranks_wait_longer_than_storage_that_hangs_holds_rank_0_up(stall in 1..100_000_u32, away in 1..100_000_u32) {
            let request = splade_storage::S3Settings::default().deadline;
            let known = seconds(away).max(request);
            let waited = gang_timeout(seconds(stall), seconds(away));
            // The last checkpoint, and then the list of old ones, which is the first that hangs.
            prop_assert!(waited > known + request);
            prop_assert!(waited > seconds(stall));
        }
    }
}
