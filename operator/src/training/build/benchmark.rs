//! The SpladeBenchmark of an entry of `spec.benchmarks`.

use crate::training::ValidTraining;
use crate::{labels, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use splade_crds::benchmark::{BenchmarkModel, TrainingBenchmark};
use splade_crds::{
    EnvVar, LocalReference, SpladeBenchmark, SpladeBenchmarkSpec, SpladeTrainingSpec,
};

/// How the variables begin that say where traces go.
const OTLP: &str = "OTEL_EXPORTER_OTLP_";
const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const OTLP_TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// The most variables that the API takes for a pod.
const MOST_VARIABLES: usize = 64;

/// A benchmark of the model that a training has exported.
pub fn benchmark(training: &ValidTraining<'_>, entry: &TrainingBenchmark) -> SpladeBenchmark {
    let owner = training.owner();
    let name = names::of_benchmark(&owner.name, &entry.name);
    let model = LocalReference {
        name: owner.name.clone(),
    };
    let mut plan = entry.plan.clone();
    add_collector(training.spec(), &mut plan.pod.settings.env);
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
            plan,
            // It goes with the training.
            ttl_seconds_after_finished: None,
        },
        status: None,
    }
}

/// Sends traces where those of the training go. An entry that says anything of that itself says all of it.
fn add_collector(training: &SpladeTrainingSpec, env: &mut Vec<EnvVar>) {
    if env.iter().any(|variable| variable.name.starts_with(OTLP)) {
        return;
    }
    let inherited = collector(training);
    // A benchmark without traces is better than one that the API server does not take.
    if env.len() + inherited.len() <= MOST_VARIABLES {
        env.extend(inherited);
    }
}

/// Where the pods of a training send their traces, and how: the manifest goes before variables.
fn collector(training: &SpladeTrainingSpec) -> Vec<EnvVar> {
    let endpoint = training.telemetry.otlp_endpoint.as_ref();
    let replaced =
        |name: &str| endpoint.is_some() && matches!(name, OTLP_ENDPOINT | OTLP_TRACES_ENDPOINT);
    let variables = training.gang.pod.env.iter();
    let mut inherited: Vec<EnvVar> = variables
        .filter(|variable| variable.name.starts_with(OTLP) && !replaced(&variable.name))
        .cloned()
        .collect();
    inherited.extend(endpoint.map(|endpoint| EnvVar {
        name: OTLP_ENDPOINT.into(),
        value: Some(endpoint.clone()),
        value_from: None,
    }));
    inherited
}
