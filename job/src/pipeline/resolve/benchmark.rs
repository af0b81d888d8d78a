//! A SpladeBenchmark, or a benchmark of a training, as a plan.

use super::{FetchKind, PlannedBenchmark, Reader, wants_gpu};
use crate::benchmark::{BenchmarkPlan, Bm25Analyzer, Bm25Plan, SparsePlan};
use splade_crds::benchmark::{
    Analyzer, BenchmarkModel, BenchmarkPlan as BenchmarkSpec, DatasetFormat, Engine, Method,
};
use splade_crds::training as api;
use splade_crds::{Metric as ApiMetric, StorageUri};
use splade_retrieval::{Bm25Parameters, Metric};
use splade_storage::Location;
use std::path::PathBuf;

/// Longest query and document, in tokens, of a model that comes without its training.
const DEFAULT_LENGTHS: (usize, usize) = (64, 256);

/// The model of a benchmark.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    /// Its folder here.
    pub(super) folder: PathBuf,
    /// Where it lies in object storage, if it does.
    pub(super) published: Option<Location>,
    /// Longest query and document that it was trained on, in tokens.
    pub(super) lengths: (usize, usize),
}

impl Reader<'_> {
    /// The model of a benchmark that stands alone.
    pub(super) fn benchmark_model(
        &mut self,
        model: &BenchmarkModel,
        trainings: &[&api::SpladeTraining],
    ) -> Subject {
        match model {
            BenchmarkModel::Uri(uri) => self.subject("spec.model.uri", uri, DEFAULT_LENGTHS),
            BenchmarkModel::TrainingRef(reference) => {
                let training = trainings
                    .iter()
                    .find(|training| training.metadata.name.as_deref() == Some(&reference.name));
                let lengths = training.map_or(DEFAULT_LENGTHS, |training| {
                    let data = &training.spec.data;
                    (
                        data.query_max_length as usize,
                        data.document_max_length as usize,
                    )
                });
                match training.map(|training| training.spec.export.as_ref()) {
                    Some(Some(export)) => {
                        return self.subject("spec.export.uri", &export.uri, lengths);
                    }
                    Some(None) => self.refuse(
                        "spec.model.trainingRef",
                        format!("SpladeTraining {} exports no model", reference.name),
                    ),
                    None => self.refuse(
                        "spec.model.trainingRef",
                        format!("SpladeTraining {} is not in the file", reference.name),
                    ),
                }
                Subject::default()
            }
        }
    }

    fn subject(&mut self, field: &str, uri: &StorageUri, lengths: (usize, usize)) -> Subject {
        Subject {
            folder: self.input(field, uri, FetchKind::Folder).path,
            published: uri.is_s3().then(|| self.location(field, uri)),
            lengths,
        }
    }

    pub(super) fn benchmark(
        &mut self,
        at: &str,
        name: &str,
        spec: &BenchmarkSpec,
        subject: Subject,
    ) -> PlannedBenchmark {
        self.refuse_what_is_not_supported(at, spec);
        let (query_max_length, document_max_length) = subject.lengths;
        let parameters = Bm25Parameters::new(spec.bm25.k1.value(), spec.bm25.b.value());
        if let Err(error) = &parameters {
            self.refuse(format!("{at}.bm25"), error.to_string());
        }
        let plan = BenchmarkPlan {
            dataset: spec.dataset.name.clone(),
            folder: self.dataset(&format!("{at}.dataset"), &spec.dataset),
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
            model: subject.folder,
            mask_special_tokens: false,
            primary_metric: metric(spec.primary_metric),
        };
        PlannedBenchmark {
            name: name.to_owned(),
            plan,
            fetches: std::mem::take(&mut self.fetches),
            publish: subject.published,
            wants_gpu: wants_gpu(&spec.pod.device_resource),
        }
    }

    fn refuse_what_is_not_supported(&mut self, at: &str, spec: &BenchmarkSpec) {
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
    }
}

fn analyzer(analyzer: &Analyzer) -> Bm25Analyzer {
    match analyzer {
        Analyzer::Whitespace => Bm25Analyzer::Whitespace,
        Analyzer::CharacterBigram => Bm25Analyzer::CharacterBigram,
        Analyzer::Subword => Bm25Analyzer::Subword,
    }
}

pub(super) fn metric(metric: ApiMetric) -> Metric {
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
