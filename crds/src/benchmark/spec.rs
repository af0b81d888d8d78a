//! What a benchmark measures.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Bm25Spec, Engine, HybridSpec, Method, SemanticSpec, SparseSpec, SpladeBenchmarkStatus,
};
use crate::metric::Metric;
use crate::pod::{DeviceResource, PodSettings};
use crate::reference::LocalReference;
use crate::schema::{LABEL_PATTERN, cel, union};
use crate::storage_uri::StorageUri;

/// One model on one data set: one row of the leaderboard.
///
/// Paths that do not begin with `s3://` are files; relative ones are relative to the working
/// directory of the process that reads them.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "neuralsparse.dev",
    version = "v1alpha1",
    kind = "SpladeBenchmark",
    plural = "spladebenchmarks",
    singular = "spladebenchmark",
    shortname = "splbench",
    category = "splade",
    namespaced,
    selectable = ".status.state",
    selectable = ".spec.dataset.name",
    status = "SpladeBenchmarkStatus",
    derive = "PartialEq",
    doc = "SpladeBenchmark measures BM25, sparse, semantic and hybrid retrieval of one model on one data set.",
    printcolumn(name = "Dataset", type_ = "string", json_path = ".spec.dataset.name", description = "Name of the data set."),
    printcolumn(name = "Queries", type_ = "integer", json_path = ".status.dataset.queries", description = "Queries with judgments.", priority = 1),
    printcolumn(name = "Metric", type_ = "string", json_path = ".spec.primaryMetric", description = "Metric of the columns that follow."),
    printcolumn(name = "BM25", type_ = "string", json_path = ".status.summary.bm25", description = "Primary metric of BM25."),
    printcolumn(name = "Sparse", type_ = "string", json_path = ".status.summary.sparse", description = "Primary metric of the sparse model."),
    printcolumn(name = "Semantic", type_ = "string", json_path = ".status.summary.semantic", description = "Primary metric of the dense model."),
    printcolumn(name = "Hybrid", type_ = "string", json_path = ".status.summary.hybrid", description = "Primary metric of the fusion."),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state", description = "One word for people; programs read the conditions."),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Age of the object.", priority = 1),
    validation = kube::core::Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,55}[a-z0-9])?$')")
        .message("metadata.name must be lower-case letters, digits and '-', at most 57 characters: names of jobs and pods are made from it")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = crate::schema::structural, extend("x-kubernetes-validations" = cel(&[
    (IMMUTABLE, "a benchmark is immutable, ttlSecondsAfterFinished apart: create another SpladeBenchmark"),
    PLAN_RULES[0], PLAN_RULES[1], PLAN_RULES[2],
])))]
pub struct SpladeBenchmarkSpec {
    /// The sparse model; exactly one member.
    pub model: BenchmarkModel,
    /// What to measure.
    #[serde(flatten)]
    pub plan: BenchmarkPlan,
    /// Delete this object so many seconds after it has ended. Kept without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds_after_finished: Option<u32>,
}

/// One entry of a training's `benchmarks`: a benchmark of the model that the training exports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = cel(&[
    PLAN_RULES[0], PLAN_RULES[1], PLAN_RULES[2],
])))]
pub struct TrainingBenchmark {
    /// Name of the entry; the SpladeBenchmark is called after the training and it.
    #[schemars(length(min = 1, max = 20), regex(pattern = LABEL_PATTERN))]
    pub name: String,
    /// What to measure.
    #[serde(flatten)]
    pub plan: BenchmarkPlan,
}

/// All that decides what a benchmark measures, and how.
const IMMUTABLE: &str = "self.model == oldSelf.model && self.dataset == oldSelf.dataset && self.methods == oldSelf.methods \
     && self.bm25 == oldSelf.bm25 && self.sparse == oldSelf.sparse \
     && has(self.semantic) == has(oldSelf.semantic) && (!has(self.semantic) || self.semantic == oldSelf.semantic) \
     && self.hybrid == oldSelf.hybrid && self.engine == oldSelf.engine && self.primaryMetric == oldSelf.primaryMetric \
     && has(self.compareTo) == has(oldSelf.compareTo) && (!has(self.compareTo) || self.compareTo == oldSelf.compareTo) \
     && self.pod == oldSelf.pod";

const PLAN_RULES: [(&str, &str); 3] = [
    (
        "!('Semantic' in self.methods) || has(self.semantic)",
        "method Semantic needs semantic.model",
    ),
    (
        "!('Hybrid' in self.methods) || double(self.hybrid.weights.semantic) == 0.0 || has(self.semantic)",
        "hybrid.weights.semantic needs semantic.model",
    ),
    (
        "!has(self.compareTo) || self.compareTo in self.methods",
        "compareTo must be one of methods",
    ),
];

/// What to measure, apart from the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BenchmarkPlan {
    /// The data set.
    pub dataset: DatasetSpec,
    /// Methods to compare.
    #[serde(default = "methods")]
    #[schemars(length(min = 1, max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub methods: Vec<Method>,
    /// Settings of BM25.
    #[serde(default)]
    pub bm25: Bm25Spec,
    /// Settings of sparse retrieval.
    #[serde(default)]
    pub sparse: SparseSpec,
    /// The dense model; needed by method Semantic and by fusions that weigh it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semantic: Option<SemanticSpec>,
    /// Settings of the fusion.
    #[serde(default)]
    pub hybrid: HybridSpec,
    /// What answers the queries; exactly one member.
    #[serde(default)]
    pub engine: Engine,
    /// The metric shown in the summary.
    #[serde(default)]
    pub primary_metric: Metric,
    /// Baseline: report the other methods' difference to it, with a significance test. None without
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_to: Option<Method>,
    /// The pod that runs the benchmark.
    #[serde(default)]
    pub pod: BenchmarkPodSpec,
}

fn methods() -> Vec<Method> {
    vec![Method::BM25, Method::Sparse]
}

/// The sparse model of a benchmark; exactly one member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = union)]
pub enum BenchmarkModel {
    /// The exported model of a SpladeTraining; the benchmark waits until there is one.
    TrainingRef(LocalReference),
    /// An exported model folder.
    Uri(StorageUri),
}

/// A retrieval data set: corpus, queries and relevance judgments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatasetSpec {
    /// Name shown in tables, for example Ko-StrategyQA.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$")
    )]
    pub name: String,
    /// Folder of the data set.
    pub uri: StorageUri,
    /// Layout of the folder.
    #[serde(default)]
    pub format: DatasetFormat,
    /// Which judgments to use.
    #[serde(default = "split")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9][-A-Za-z0-9._]*$")
    )]
    pub split: String,
    /// Search only so many documents: all judged ones, filled up with others in the order of the
    /// corpus. Easier than the whole corpus, and reported as such. The whole corpus without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub corpus_limit: Option<u32>,
}

fn split() -> String {
    "test".into()
}

/// Layout of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DatasetFormat {
    /// corpus.jsonl, queries.jsonl, qrels/<split>.tsv.
    #[default]
    Beir,
    /// TREC topics and qrels with a JSON lines corpus.
    Trec,
    /// MIRACL as published.
    Miracl,
    /// Mr. TyDi as published.
    MrTydi,
}

/// The pod that runs a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BenchmarkPodSpec {
    /// Devices for encoding.
    #[schemars(range(min = 1, max = 64))]
    pub devices: u32,
    /// Extended resource that a device is asked by, for example `nvidia.com/gpu`; `none` encodes on
    /// the CPU.
    pub device_resource: DeviceResource,
    /// Settings of the pod.
    #[serde(flatten)]
    pub settings: PodSettings,
}

impl Default for BenchmarkPodSpec {
    fn default() -> Self {
        Self {
            devices: 1,
            device_resource: DeviceResource::default(),
            settings: PodSettings::default(),
        }
    }
}
