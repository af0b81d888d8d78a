//! From the cache to what the plan of a benchmark goes by.

use crate::api::CallError;
use crate::benchmark::{ModelTraining, Observed, plan};
use crate::cache::{Cluster, Key, Kind, controller};
use crate::controller::{Context, Subject, fresh_trace_context};
use crate::effect::Decision;
use crate::metrics::{Benchmarks, Metrics};
use crate::settings::ClusterOffers;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use splade_crds::benchmark::BenchmarkModel;
use splade_crds::training::{AttemptStatus, LastFailure};
use splade_crds::{SpladeBenchmark, SpladeBenchmarkStatus};
use std::sync::Arc;

impl Subject for SpladeBenchmark {
    type Status = SpladeBenchmarkStatus;
    const KIND: Kind = Kind::Benchmark;
    const NAME: &'static str = "SpladeBenchmark";
    const RESOURCE: &'static str = "spladebenchmarks";

    fn cached(cluster: &Cluster) -> &Benchmarks {
        &cluster.benchmarks
    }

    fn status(&self) -> Option<&SpladeBenchmarkStatus> {
        self.status.as_ref()
    }

    fn set_status(&mut self, status: SpladeBenchmarkStatus) {
        self.status = Some(status);
    }

    fn conditions(status: &SpladeBenchmarkStatus) -> &Vec<Condition> {
        &status.conditions
    }

    fn conditions_mut(status: &mut SpladeBenchmarkStatus) -> &mut Vec<Condition> {
        &mut status.conditions
    }

    fn attempts(status: &SpladeBenchmarkStatus) -> &[AttemptStatus] {
        status.attempt.as_slice()
    }

    fn last_failure(status: &SpladeBenchmarkStatus) -> Option<&LastFailure> {
        status.last_failure.as_ref()
    }

    /// A benchmark of a training's model belongs to the trace of the attempt that has trained it.
    fn begins_traces(&self) -> bool {
        matches!(self.spec.model, BenchmarkModel::Uri(_))
    }

    fn count(_: Option<&SpladeBenchmarkStatus>, _: &SpladeBenchmarkStatus, _: &Metrics) {
        // Benchmarks are counted by state; their attempts are not timed.
    }

    async fn decide(
        self: Arc<Self>,
        context: &Context,
    ) -> Result<Decision<SpladeBenchmarkStatus>, CallError> {
        let owner = self.belongs();
        let uid = self.metadata.uid.clone().unwrap_or_default();
        let mut jobs = context.cluster.jobs.of(&owner);
        jobs.retain(|job| controller(&**job).is_some_and(|owner| owner.uid == uid));
        let observed = Observed {
            now: Timestamp::now(),
            jobs,
            pods: context.cluster.pods.of(&owner),
            model_of: model_of(&self, &owner.key, context),
            offers: ClusterOffers::default(),
            fresh_traceparent: fresh_trace_context(),
            settings: Arc::clone(&context.settings),
            benchmark: self,
        };
        Ok(plan(&observed))
    }
}

fn model_of(benchmark: &SpladeBenchmark, key: &Key, context: &Context) -> ModelTraining {
    let BenchmarkModel::TrainingRef(reference) = &benchmark.spec.model else {
        return ModelTraining::NotAsked;
    };
    let training = Key {
        namespace: key.namespace.clone(),
        name: reference.name.clone(),
    };
    context
        .cluster
        .training(&training)
        .map_or(ModelTraining::Missing, ModelTraining::Found)
}
