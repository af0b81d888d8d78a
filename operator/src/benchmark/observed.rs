//! What the plan of a benchmark goes by.

use crate::settings::{ClusterOffers, Settings};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use splade_crds::{SpladeBenchmark, SpladeTraining};
use std::sync::Arc;

/// Everything that the plan of one benchmark goes by, as of one moment.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The time.
    pub now: Timestamp,
    /// The benchmark, with the status that its spec is compared with.
    pub benchmark: Arc<SpladeBenchmark>,
    /// Jobs that the benchmark controls.
    pub jobs: Vec<Arc<Job>>,
    /// Pods with the benchmark's label (`labels::BENCHMARK`) in its namespace.
    pub pods: Vec<Arc<Pod>>,
    /// The training that `spec.model.trainingRef` names.
    pub model_of: ModelTraining,
    /// Scheduler interfaces of the cluster.
    pub offers: ClusterOffers,
    /// A fresh W3C trace context, used if a new attempt begins.
    pub fresh_traceparent: String,
    /// The operator's settings.
    pub settings: Arc<Settings>,
}

/// The training that `spec.model.trainingRef` names.
#[derive(Clone, Debug)]
pub enum ModelTraining {
    /// The spec names none.
    NotAsked,
    /// It does not exist.
    Missing,
    /// It exists.
    Found(Arc<SpladeTraining>),
}
