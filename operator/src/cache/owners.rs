//! Whose an object is, and who else wants to know of it.

use super::index::{Belongs, Kind};
use super::merge::Key;
use crate::labels::{BENCHMARK, COMPONENT, Component, TRAINING};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use splade_crds::benchmark::BenchmarkModel;
use splade_crds::training::InitFrom;
use splade_crds::{GROUP, SpladeBenchmark, SpladeTraining};

/// The resource that a Job or pod belongs to, by its labels.
pub(super) fn owner_by_labels<K: Resource>(object: &K) -> Option<Belongs> {
    let metadata = object.meta();
    let labels = metadata.labels.as_ref()?;
    let is_benchmark = labels.get(COMPONENT)? == Component::Benchmark.name();
    let (kind, label) = if is_benchmark {
        (Kind::Benchmark, BENCHMARK)
    } else {
        (Kind::Training, TRAINING)
    };
    Some(Belongs {
        kind,
        key: Key {
            namespace: metadata.namespace.clone()?,
            name: labels.get(label)?.clone(),
        },
    })
}

/// The reference to what controls an object.
pub fn controller<K: Resource>(object: &K) -> Option<&OwnerReference> {
    let owners = object.meta().owner_references.as_ref()?;
    owners.iter().find(|owner| owner.controller == Some(true))
}

/// The training that controls a benchmark.
pub(super) fn training_of(benchmark: &SpladeBenchmark) -> Option<Key> {
    let owner = controller(benchmark)?;
    let is_training = owner.kind == "SpladeTraining"
        && owner
            .api_version
            .split_once('/')
            .is_some_and(|(group, _)| group == GROUP);
    is_training.then(|| Key {
        namespace: benchmark.metadata.namespace.clone().unwrap_or_default(),
        name: owner.name.clone(),
    })
}

/// Whether a training starts from the model of another.
pub(super) fn starts_from(training: &SpladeTraining, other: &Key) -> bool {
    let Some(InitFrom::TrainingRef(reference)) = &training.spec.init_from else {
        return false;
    };
    reference.name == other.name && training.metadata.namespace.as_ref() == Some(&other.namespace)
}

/// Whether a benchmark measures the model of a training.
pub(super) fn measures(benchmark: &SpladeBenchmark, training: &Key) -> bool {
    let BenchmarkModel::TrainingRef(reference) = &benchmark.spec.model else {
        return false;
    };
    reference.name == training.name
        && benchmark.metadata.namespace.as_ref() == Some(&training.namespace)
}
