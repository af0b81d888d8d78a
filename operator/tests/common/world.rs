//! The cluster around one training.

use super::TRACE;
use super::cluster::Cluster;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use splade_crds::training::AttemptStatus;
use splade_crds::{ConditionType, SpladeTraining, SpladeTrainingStatus};
use splade_operator::conditions;
use splade_operator::effect::Decision;
use splade_operator::settings::{ClusterOffers, Settings};
use splade_operator::training::{InitFromTraining, Observed, Polled, plan};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// The cluster around one training.
#[derive(Clone, Debug)]
pub struct World {
    pub cluster: Cluster,
    pub training: SpladeTraining,
    pub init_from: InitFromTraining,
    pub progress: Polled,
    pub offers: ClusterOffers,
}

impl Deref for World {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Cluster {
        &mut self.cluster
    }
}

impl World {
    pub fn new(training: SpladeTraining) -> Self {
        Self {
            cluster: Cluster::default(),
            training,
            init_from: InitFromTraining::NotAsked,
            progress: Polled::NotAsked,
            offers: ClusterOffers::default(),
        }
    }

    pub fn status(&self) -> SpladeTrainingStatus {
        self.training.status.clone().unwrap_or_default()
    }

    pub fn last_attempt(&self) -> AttemptStatus {
        self.status().attempts.last().unwrap().clone()
    }

    pub fn condition(&self, kind: ConditionType) -> Condition {
        let status = self.status();
        conditions::find(&status.conditions, kind).unwrap().clone()
    }

    pub fn holds(&self, kind: ConditionType) -> bool {
        conditions::holds(&self.status().conditions, kind)
    }

    pub fn observed(&self) -> Observed {
        Observed {
            now: self.now,
            training: Arc::new(self.training.clone()),
            jobs: self.jobs.iter().cloned().map(Arc::new).collect(),
            pods: self.pods.iter().cloned().map(Arc::new).collect(),
            benchmarks: self.benchmarks.iter().cloned().map(Arc::new).collect(),
            init_from: self.init_from.clone(),
            progress: self.progress.clone(),
            offers: self.offers,
            fresh_traceparent: TRACE.into(),
            settings: Arc::new(Settings {
                job_image: "registry.example/splade-job:1".into(),
            }),
        }
    }

    pub fn plan(&self) -> Decision<SpladeTrainingStatus> {
        plan(&self.observed())
    }

    /// Plans, writes the status as the API server stores it, then does the first `effects` of what is to be done.
    pub fn reconcile_until(&mut self, effects: usize) -> Decision<SpladeTrainingStatus> {
        let decision = self.plan();
        let stored = serde_json::to_value(&decision.status).unwrap();
        self.training.status = Some(serde_json::from_value(stored).unwrap());
        for effect in decision.effects.iter().take(effects) {
            self.apply(effect);
        }
        decision
    }

    pub fn reconcile(&mut self) -> Decision<SpladeTrainingStatus> {
        self.reconcile_until(usize::MAX)
    }

    /// Reconciles and lets Kubernetes work, until a reconciliation has nothing to do.
    pub fn go(&mut self) {
        for _ in 0..20 {
            let decision = self.reconcile();
            let moved = self.settle(true);
            if decision.effects.is_empty() && !moved {
                return;
            }
        }
        panic!("never comes to rest: {:?}", self.plan());
    }
}
