//! What the plan of a training goes by.

use crate::settings::{ClusterOffers, Settings};
use crate::training::ProgressReport;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use splade_crds::{SpladeBenchmark, SpladeTraining};
use std::sync::Arc;

/// Everything that the plan of one training goes by, as of one moment.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The time.
    pub now: Timestamp,
    /// The training, with the status that its spec is compared with.
    pub training: Arc<SpladeTraining>,
    /// Jobs that the training controls: attempts and exports.
    pub jobs: Vec<Arc<Job>>,
    /// Pods with the training's label (`labels::TRAINING`) in its namespace, those of its benchmarks left out.
    pub pods: Vec<Arc<Pod>>,
    /// Benchmarks that the training controls.
    pub benchmarks: Vec<Arc<SpladeBenchmark>>,
    /// The training that `spec.initFrom.trainingRef` names.
    pub init_from: InitFromTraining,
    /// What rank 0 of the current attempt answers.
    pub progress: Polled,
    /// Scheduler interfaces of the cluster.
    pub offers: ClusterOffers,
    /// A fresh W3C trace context, used if a new attempt begins.
    pub fresh_traceparent: String,
    /// The operator's settings.
    pub settings: Arc<Settings>,
}

/// The training that `spec.initFrom.trainingRef` names.
#[derive(Clone, Debug)]
pub enum InitFromTraining {
    /// The spec names none.
    NotAsked,
    /// It does not exist.
    Missing,
    /// It exists.
    Found(Arc<SpladeTraining>),
}

/// What rank 0 answers.
#[derive(Clone, Debug)]
pub enum Polled {
    /// Nobody has asked: no pod runs that could answer.
    NotAsked,
    /// It did not answer.
    Unreachable {
        /// Number of the attempt whose pod was asked.
        attempt: u32,
        /// Since when it has not answered, without an answer in between.
        since: Timestamp,
    },
    /// Its newest answer.
    Answered {
        /// Number of the attempt whose pod answered.
        attempt: u32,
        /// The answer.
        report: Box<ProgressReport>,
    },
}
