//! From the resources of a manifest to plans: every field that the job consumes is read here, and only here.

use crate::benchmark::{BenchmarkPlan, Bm25Analyzer, Bm25Plan, SparsePlan};
use crate::export::ExportPlan;
use crate::losses::{CandidateRules, FlopsSchedule, InBatch, Shape};
use crate::model::{Precision, StoredKind};
use crate::optimizer::{AdamWSettings, Decay};
use crate::training::{
    DataPlan, DistillationPlan, FlopsPlan, InitialWeights, Length, LossPlan, ModelPlan,
    OptimizerPlan, Recipe, SpecialTokenPolicy, Surroundings, TrainingPlan, Warmup,
};
use splade_crds::benchmark::{
    Analyzer, BenchmarkModel, BenchmarkPlan as BenchmarkSpec, DatasetFormat, Engine, Method,
};
use splade_crds::manifest::Resource;
use splade_crds::training as api;
use splade_crds::{DeviceResource, Metric as ApiMetric, StorageUri};
use splade_retrieval::{Bm25Parameters, Metric};
use std::path::PathBuf;

/// What a manifest asks for, in its order.
#[derive(Debug)]
pub struct Job {
    /// Trainings with their exports and benchmarks.
    pub trainings: Vec<PlannedTraining>,
    /// Benchmarks that stand alone.
    pub benchmarks: Vec<PlannedBenchmark>,
}

/// A training and what follows it.
#[derive(Debug)]
pub struct PlannedTraining {
    /// The training.
    pub plan: TrainingPlan,
    /// Where its model goes.
    pub export: Option<ExportPlan>,
    /// Benchmarks of its model.
    pub benchmarks: Vec<PlannedBenchmark>,
    /// Train on a GPU if there is one.
    pub wants_gpu: bool,
    /// Ranks of the gang that the manifest describes.
    pub ranks: u32,
}

/// A benchmark by name.
#[derive(Debug)]
pub struct PlannedBenchmark {
    /// Name of the resource.
    pub name: String,
    /// The benchmark.
    pub plan: BenchmarkPlan,
    /// Encode on a GPU if there is one.
    pub wants_gpu: bool,
}

/// A manifest that is valid, but asks for what this program cannot do or find.
#[derive(Debug, thiserror::Error)]
#[error("{resource}, {field}: {what}")]
pub struct ResolveError {
    resource: String,
    field: String,
    what: String,
}

/// Turns resources into plans.
///
/// # Errors
/// Every field that this program cannot honour, all at once.
pub fn resolve(resources: &[Resource]) -> Result<Job, Vec<ResolveError>> {
    let trainings: Vec<&api::SpladeTraining> = resources
        .iter()
        .filter_map(|resource| match resource {
            Resource::Training(training) => Some(training.as_ref()),
            Resource::Benchmark(_) => None,
        })
        .collect();
    let mut errors = Vec::new();
    let mut job = Job {
        trainings: Vec::new(),
        benchmarks: Vec::new(),
    };
    for (index, training) in trainings.iter().enumerate() {
        let name = training.metadata.name.clone().unwrap_or_default();
        let mut reader = Reader {
            resource: format!("SpladeTraining {name}"),
            errors: &mut errors,
        };
        let planned = reader.training(&name, &training.spec, &trainings[..index]);
        job.trainings.push(planned);
    }
    for resource in resources {
        if let Resource::Benchmark(benchmark) = resource {
            let name = benchmark.metadata.name.clone().unwrap_or_default();
            let mut reader = Reader {
                resource: format!("SpladeBenchmark {name}"),
                errors: &mut errors,
            };
            let model = reader.benchmark_model(&benchmark.spec.model, &trainings);
            job.benchmarks.push(reader.benchmark(
                "spec",
                &name,
                &benchmark.spec.plan,
                model,
                (64, 256),
            ));
        }
    }
    if errors.is_empty() {
        Ok(job)
    } else {
        Err(errors)
    }
}

/// Reads one resource and gathers what cannot be honoured.
struct Reader<'a> {
    resource: String,
    errors: &'a mut Vec<ResolveError>,
}

impl Reader<'_> {
    fn refuse(&mut self, field: impl Into<String>, what: impl Into<String>) {
        self.errors.push(ResolveError {
            resource: self.resource.clone(),
            field: field.into(),
            what: what.into(),
        });
    }

    fn path(&mut self, field: &str, uri: &StorageUri) -> PathBuf {
        match uri.local_path() {
            Some(path) => PathBuf::from(path),
            None => {
                self.refuse(
                    field,
                    format!(
                        "{} is not on this machine; give file:// or a path",
                        uri.as_str()
                    ),
                );
                PathBuf::new()
            }
        }
    }

    fn globs(&mut self, field: &str, uris: &[StorageUri]) -> Vec<String> {
        uris.iter()
            .map(|uri| self.path(field, uri).to_string_lossy().into_owned())
            .collect()
    }

    fn training(
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
        if spec.telemetry.otlp_endpoint.is_some() {
            self.refuse(
                "spec.telemetry.otlpEndpoint",
                "traces are not supported by this version of splade-job",
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
            loss: loss(&spec.loss),
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

    fn optimizer(&mut self, spec: &api::OptimizerSpec) -> OptimizerPlan {
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

    fn benchmark_model(
        &mut self,
        model: &BenchmarkModel,
        trainings: &[&api::SpladeTraining],
    ) -> PathBuf {
        match model {
            BenchmarkModel::Uri(uri) => self.path("spec.model.uri", uri),
            BenchmarkModel::TrainingRef(reference) => {
                let training = trainings
                    .iter()
                    .find(|training| training.metadata.name.as_deref() == Some(&reference.name));
                match training.map(|training| training.spec.export.as_ref()) {
                    Some(Some(export)) => return self.path("spec.export.uri", &export.uri),
                    Some(None) => self.refuse(
                        "spec.model.trainingRef",
                        format!("SpladeTraining {} exports no model", reference.name),
                    ),
                    None => self.refuse(
                        "spec.model.trainingRef",
                        format!("SpladeTraining {} is not in the file", reference.name),
                    ),
                }
                PathBuf::new()
            }
        }
    }

    fn benchmark(
        &mut self,
        at: &str,
        name: &str,
        spec: &BenchmarkSpec,
        model: PathBuf,
        (query_max_length, document_max_length): (usize, usize),
    ) -> PlannedBenchmark {
        let mut unsupported = |field: &str, is_set: bool, what: &str| {
            if is_set {
                self.refuse(
                    format!("{at}.{field}"),
                    format!("{what} is not supported by this version of splade-job"),
                );
            }
        };
        unsupported(
            "methods",
            spec.methods.contains(&Method::Semantic),
            "Semantic",
        );
        unsupported("methods", spec.methods.contains(&Method::Hybrid), "Hybrid");
        unsupported("semantic", spec.semantic.is_some(), "a dense model");
        unsupported("compareTo", spec.compare_to.is_some(), "a comparison");
        unsupported(
            "dataset.format",
            spec.dataset.format != DatasetFormat::Beir,
            "a format other than Beir",
        );
        unsupported(
            "dataset.corpusLimit",
            spec.dataset.corpus_limit.is_some(),
            "cutting a corpus",
        );
        unsupported("sparse.pruning", spec.sparse.pruning.is_some(), "pruning");
        unsupported(
            "engine",
            !matches!(spec.engine, Engine::Embedded(_)),
            "an engine other than embedded",
        );
        let parameters = Bm25Parameters::new(spec.bm25.k1.value(), spec.bm25.b.value());
        if let Err(error) = &parameters {
            self.refuse(format!("{at}.bm25"), error.to_string());
        }
        let plan = BenchmarkPlan {
            dataset: spec.dataset.name.clone(),
            folder: self.path(&format!("{at}.dataset.uri"), &spec.dataset.uri),
            split: spec.dataset.split.clone(),
            bm25: spec.methods.contains(&Method::BM25).then(|| Bm25Plan {
                analyzers: spec.bm25.analyzers.iter().map(analyzer).collect(),
                parameters: parameters.unwrap_or_default(),
            }),
            sparse: spec
                .methods
                .contains(&Method::Sparse)
                .then_some(SparsePlan {
                    query_max_length,
                    document_max_length,
                    query_top_k: spec.sparse.query_top_k.map(|top| top as usize),
                }),
            model,
            mask_special_tokens: false,
            primary_metric: metric(spec.primary_metric),
        };
        PlannedBenchmark {
            name: name.to_owned(),
            plan,
            wants_gpu: wants_gpu(&spec.pod.device_resource),
        }
    }
}

fn loss(spec: &api::LossSpec) -> LossPlan {
    LossPlan {
        info_nce: spec.info_nce.value(),
        temperature: spec.temperature.value(),
        flops: FlopsPlan {
            query: spec.flops.query.value(),
            document: spec.flops.document.value(),
            negative: spec.flops.negative.as_ref().map(|weight| weight.value()),
            documents_with_negatives: spec.flops.documents == api::FlopsDocuments::All,
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
                .map(|margin| margin.value() as f32),
        },
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

fn analyzer(analyzer: &Analyzer) -> Bm25Analyzer {
    match analyzer {
        Analyzer::Whitespace => Bm25Analyzer::Whitespace,
        Analyzer::CharacterBigram => Bm25Analyzer::CharacterBigram,
        Analyzer::Subword => Bm25Analyzer::Subword,
    }
}

fn metric(metric: ApiMetric) -> Metric {
    match metric {
        ApiMetric::SuccessAt1 => Metric::SuccessAt1,
        ApiMetric::SuccessAt5 => Metric::SuccessAt5,
        ApiMetric::SuccessAt10 => Metric::SuccessAt10,
        ApiMetric::RecallAt10 => Metric::RecallAt10,
        ApiMetric::RecallAt100 => Metric::RecallAt100,
        ApiMetric::MrrAt10 => Metric::MrrAt10,
        ApiMetric::NdcgAt10 => Metric::NdcgAt10,
    }
}

fn wants_gpu(resource: &DeviceResource) -> bool {
    resource.resource().is_some()
}
