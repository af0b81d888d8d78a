//! The cluster around one benchmark, a row of the leaderboard.

use super::TRACE;
use super::cluster::Cluster;
use super::manifest::benchmark;
use serde_json::Value;
use splade_crds::{ConditionType, SpladeBenchmark, SpladeBenchmarkStatus};
use splade_operator::benchmark::{ModelTraining, Observed, plan};
use splade_operator::conditions::{find, holds};
use splade_operator::effect::Decision;
use splade_operator::settings::{ClusterOffers, Settings};
use std::sync::Arc;

/// What the pod leaves behind when it has measured.
pub const MEASURED: &str = r#"{"outcome":"Succeeded","exitCode":0,"benchmark":{"dataset":{"queries":592,"documents":9251},
    "summary":{"bm25":"53.7%","sparse":"62.2%"},"reportUri":"s3://reports/row","modelDigest":"sha256:ab"}}"#;

/// The cluster around one benchmark.
#[derive(Clone, Debug)]
pub struct Row {
    pub cluster: Cluster,
    pub benchmark: SpladeBenchmark,
    pub model_of: ModelTraining,
}

impl Row {
    pub fn new(changes: Value, model_of: ModelTraining) -> Self {
        Self {
            cluster: Cluster::default(),
            benchmark: benchmark(changes),
            model_of,
        }
    }

    pub fn plan(&self) -> Decision<SpladeBenchmarkStatus> {
        plan(&Observed {
            now: self.cluster.now,
            benchmark: Arc::new(self.benchmark.clone()),
            jobs: self.cluster.jobs.iter().cloned().map(Arc::new).collect(),
            pods: self.cluster.pods.iter().cloned().map(Arc::new).collect(),
            model_of: self.model_of.clone(),
            offers: ClusterOffers::default(),
            fresh_traceparent: TRACE.into(),
            settings: Arc::new(Settings {
                job_image: "job:1".into(),
            }),
        })
    }

    /// Plans, writes the status as the API server stores it, then does the first `effects` of what is to be done.
    pub fn reconcile_until(&mut self, effects: usize) -> Decision<SpladeBenchmarkStatus> {
        let decision = self.plan();
        let stored = serde_json::to_value(&decision.status).unwrap();
        self.benchmark.status = Some(serde_json::from_value(stored).unwrap());
        for effect in decision.effects.iter().take(effects) {
            self.cluster.apply(effect);
        }
        decision
    }

    pub fn reconcile(&mut self) -> Decision<SpladeBenchmarkStatus> {
        self.reconcile_until(usize::MAX)
    }

    /// Reconciles and lets Kubernetes work, until a reconciliation has nothing to do.
    pub fn go(&mut self) {
        for _ in 0..20 {
            let decision = self.reconcile();
            if !self.cluster.settle(true) && decision.effects.is_empty() {
                assert_eq!(
                    self.plan().status,
                    self.status(),
                    "a status that changes without news"
                );
                return;
            }
        }
        panic!("never comes to rest: {:?}", self.plan());
    }

    pub fn status(&self) -> SpladeBenchmarkStatus {
        self.benchmark.status.clone().unwrap_or_default()
    }

    pub fn holds(&self, kind: ConditionType) -> bool {
        holds(&self.status().conditions, kind)
    }

    pub fn reason(&self, kind: ConditionType) -> String {
        let status = self.status();
        find(&status.conditions, kind).unwrap().reason.clone()
    }
}
