//! Which objects want to be reconciled. Nobody listens while another process leads.

use super::index::{Belongs, Kind};
use super::merge::Key;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::ObjectRef;
use splade_crds::{SpladeBenchmark, SpladeTraining};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A training to reconcile.
pub type TrainingRef = ObjectRef<DeserializeGuard<SpladeTraining>>;
/// A benchmark to reconcile.
pub type BenchmarkRef = ObjectRef<DeserializeGuard<SpladeBenchmark>>;

/// What wants to be reconciled from now on.
pub struct Listener {
    /// Trainings.
    pub trainings: UnboundedReceiver<TrainingRef>,
    /// Benchmarks.
    pub benchmarks: UnboundedReceiver<BenchmarkRef>,
}

struct Senders {
    trainings: UnboundedSender<TrainingRef>,
    benchmarks: UnboundedSender<BenchmarkRef>,
}

/// Passes on what wants to be reconciled. Clones share one listener.
#[derive(Clone, Default)]
pub struct Triggers {
    // Unbounded, but what listens drains it at once and holds each object once.
    senders: Arc<Mutex<Option<Senders>>>,
}

impl Triggers {
    /// Begins to pass on. Who listened before hears no more.
    pub fn listen(&self) -> Listener {
        let (training_sender, trainings) = unbounded_channel();
        let (benchmark_sender, benchmarks) = unbounded_channel();
        self.put(Some(Senders {
            trainings: training_sender,
            benchmarks: benchmark_sender,
        }));
        Listener {
            trainings,
            benchmarks,
        }
    }

    /// Passes nothing on any more; who listens hears the end.
    pub fn close(&self) {
        self.put(None);
    }

    /// An object wants to be reconciled.
    pub fn send(&self, object: &Belongs) {
        let senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(senders) = senders.as_ref() else {
            return;
        };
        let Key { namespace, name } = &object.key;
        // A receiver that is gone has been told its end, or has lost its leadership.
        match object.kind {
            Kind::Training => {
                let _ = senders
                    .trainings
                    .send(ObjectRef::new(name).within(namespace));
            }
            Kind::Benchmark => {
                let _ = senders
                    .benchmarks
                    .send(ObjectRef::new(name).within(namespace));
            }
        }
    }

    fn put(&self, senders: Option<Senders>) {
        *self.senders.lock().unwrap_or_else(PoisonError::into_inner) = senders;
    }
}
