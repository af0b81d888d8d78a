//! From the cache to what the plan of a training goes by.

use crate::api::CallError;
use crate::cache::{Cluster, Key, Kind, controller};
use crate::controller::{Context, Subject, fresh_trace_context};
use crate::effect::Decision;
use crate::labels::{COMPONENT, Component};
use crate::metrics::{Metrics, Trainings, transitions};
use crate::pods::PodView;
use crate::settings::ClusterOffers;
use crate::training::{InitFromTraining, Observed, plan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use splade_crds::training::{AttemptStatus, InitFrom, LastFailure, SchedulerType};
use splade_crds::{SpladeTraining, SpladeTrainingStatus};
use std::sync::Arc;

impl Subject for SpladeTraining {
    type Status = SpladeTrainingStatus;
    const KIND: Kind = Kind::Training;
    const NAME: &'static str = "SpladeTraining";
    const RESOURCE: &'static str = "spladetrainings";

    fn cached(cluster: &Cluster) -> &Trainings {
        &cluster.trainings
    }

    fn status(&self) -> Option<&SpladeTrainingStatus> {
        self.status.as_ref()
    }

    fn set_status(&mut self, status: SpladeTrainingStatus) {
        self.status = Some(status);
    }

    fn conditions(status: &SpladeTrainingStatus) -> &Vec<Condition> {
        &status.conditions
    }

    fn conditions_mut(status: &mut SpladeTrainingStatus) -> &mut Vec<Condition> {
        &mut status.conditions
    }

    fn attempts(status: &SpladeTrainingStatus) -> &[AttemptStatus] {
        &status.attempts
    }

    fn last_failure(status: &SpladeTrainingStatus) -> Option<&LastFailure> {
        status.last_failure.as_ref()
    }

    fn begins_traces(&self) -> bool {
        true
    }

    fn count(
        before: Option<&SpladeTrainingStatus>,
        after: &SpladeTrainingStatus,
        metrics: &Metrics,
    ) {
        for transition in transitions(before, after) {
            metrics.record(transition);
        }
    }

    async fn decide(
        self: Arc<Self>,
        context: &Context,
    ) -> Result<Decision<SpladeTrainingStatus>, CallError> {
        Ok(plan(&observe(self, context).await?))
    }
}

async fn observe(training: Arc<SpladeTraining>, context: &Context) -> Result<Observed, CallError> {
    let owner = training.belongs();
    let cluster = &context.cluster;
    let uid = training.metadata.uid.clone().unwrap_or_default();
    let mut jobs = cluster.jobs.of(&owner);
    jobs.retain(|job| controller(&**job).is_some_and(|owner| owner.uid == uid));
    let mut pods = cluster.pods.of(&owner);
    pods.retain(|pod| PodView(pod).label(COMPONENT) != Some(Component::Benchmark.name()));
    let offers = match training.spec.gang.scheduler.kind {
        SchedulerType::None => ClusterOffers::default(),
        _ => context.offers.get(&context.client, &context.calls).await?,
    };
    Ok(Observed {
        now: Timestamp::now(),
        jobs,
        pods,
        benchmarks: cluster.benchmarks_of(&owner.key, &uid),
        init_from: init_from(&training, &owner.key, context),
        progress: context.reports.of(&owner.key),
        offers,
        fresh_traceparent: fresh_trace_context(),
        settings: Arc::clone(&context.settings),
        training,
    })
}

fn init_from(training: &SpladeTraining, key: &Key, context: &Context) -> InitFromTraining {
    let Some(InitFrom::TrainingRef(reference)) = &training.spec.init_from else {
        return InitFromTraining::NotAsked;
    };
    let other = Key {
        namespace: key.namespace.clone(),
        name: reference.name.clone(),
    };
    context
        .cluster
        .training(&other)
        .map_or(InitFromTraining::Missing, InitFromTraining::Found)
}
