//! The SpladeBenchmark of an entry of `spec.benchmarks`.

use crate::training::ValidTraining;
use crate::{labels, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use splade_crds::benchmark::{BenchmarkModel, TrainingBenchmark};
use splade_crds::{LocalReference, SpladeBenchmark, SpladeBenchmarkSpec};

/// A benchmark of the model that a training has exported.
pub fn benchmark(training: &ValidTraining<'_>, entry: &TrainingBenchmark) -> SpladeBenchmark {
    let owner = training.owner();
    let name = names::of_benchmark(&owner.name, &entry.name);
    let model = LocalReference {
        name: owner.name.clone(),
    };
    SpladeBenchmark {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(owner.namespace.clone()),
            labels: Some(labels::of_benchmark(&owner.name)),
            owner_references: Some(vec![owner.reference()]),
            ..ObjectMeta::default()
        },
        spec: SpladeBenchmarkSpec {
            model: BenchmarkModel::TrainingRef(model),
            plan: entry.plan.clone(),
            // It goes with the training.
            ttl_seconds_after_finished: None,
        },
        status: None,
    }
}
