//! What the operator knows of the cluster: one watch for each kind of object and namespace. Reconciles read from here,
//! never from the API server, so at rest nothing but watches goes there.

mod index;
mod merge;
mod owners;
mod prune;
mod triggers;
mod watch;

pub use index::{Belongs, Index, Kind};
pub use merge::{Change, Key};
pub use owners::controller;
pub use triggers::{BenchmarkRef, Listener, TrainingRef, Triggers};
pub use watch::{Scope, follow};

use crate::metrics::{Benchmarks, Trainings};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::Writer;
use owners::owner_by_labels;
use splade_crds::{SpladeBenchmark, SpladeTraining};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch as channel;

/// How many kinds of objects are watched.
const KINDS: usize = 4;

/// The objects of the cluster that matter. Clones share their content.
#[derive(Clone)]
pub struct Cluster {
    /// Trainings, those that cannot be read too.
    pub trainings: Trainings,
    /// Benchmarks, those that cannot be read too.
    pub benchmarks: Benchmarks,
    /// Jobs that this operator manages.
    pub jobs: Index<Job>,
    /// Pods that this operator manages.
    pub pods: Index<Pod>,
    /// Who wants to be reconciled.
    pub triggers: Triggers,
    /// Told whenever a training or a benchmark has changed.
    changed: channel::Sender<()>,
    synced: Arc<AtomicUsize>,
}

/// What fills a [`Cluster`].
pub struct Writers {
    trainings: Writer<DeserializeGuard<SpladeTraining>>,
    benchmarks: Writer<DeserializeGuard<SpladeBenchmark>>,
}

impl Cluster {
    /// Nothing known yet, and what fills it.
    pub fn new() -> (Self, Writers) {
        let writers = Writers {
            trainings: Writer::default(),
            benchmarks: Writer::default(),
        };
        let cluster = Self {
            trainings: writers.trainings.as_reader(),
            benchmarks: writers.benchmarks.as_reader(),
            jobs: Index::new(owner_by_labels),
            pods: Index::new(owner_by_labels),
            triggers: Triggers::default(),
            changed: channel::Sender::new(()),
            synced: Arc::default(),
        };
        (cluster, writers)
    }

    /// Whether everything that is there is known.
    pub fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire) >= KINDS
    }

    fn note_synced(&self) {
        self.synced.fetch_add(1, Ordering::Release);
    }

    /// Waits until something holds that depends on trainings and benchmarks.
    pub async fn wait_until(&self, holds: impl Fn() -> bool) {
        let mut changed = self.changed.subscribe();
        while !holds() && changed.changed().await.is_ok() {}
    }

    /// The training of this key, if it is there and can be read.
    pub fn training(&self, key: &Key) -> Option<Arc<SpladeTraining>> {
        let found = self.trainings.get(&key.reference())?;
        found
            .0
            .as_ref()
            .ok()
            .map(|training| Arc::new(training.clone()))
    }

    /// The benchmarks that the training of this key and uid controls.
    pub fn benchmarks_of(&self, training: &Key, uid: &str) -> Vec<Arc<SpladeBenchmark>> {
        let found = self.benchmarks.state_filter(|benchmark| {
            controller(benchmark).is_some_and(|owner| owner.uid == uid)
                && Key::of(benchmark).namespace == training.namespace
        });
        let mut read: Vec<_> = found
            .iter()
            .filter_map(|benchmark| benchmark.0.as_ref().ok().cloned().map(Arc::new))
            .collect();
        read.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
        read
    }

    /// Asks for a reconcile of everything.
    pub fn trigger_all(&self) {
        for training in self.trainings.state() {
            self.trigger(Kind::Training, Key::of(&*training));
        }
        for benchmark in self.benchmarks.state() {
            self.trigger(Kind::Benchmark, Key::of(&*benchmark));
        }
    }

    /// Asks for a reconcile of one object.
    pub fn trigger(&self, kind: Kind, key: Key) {
        self.triggers.send(&Belongs { kind, key });
    }
}
