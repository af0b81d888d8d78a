//! From the resources of a manifest to plans: every field that the job consumes is read here, and only here.

mod benchmark;
mod recipe;
mod training;

use crate::benchmark::BenchmarkPlan;
use crate::export::ExportPlan;
use crate::training::TrainingPlan;
use splade_crds::manifest::Resource;
use splade_crds::training as api;
use splade_crds::{DeviceResource, StorageUri};
use std::path::PathBuf;

/// What a manifest asks for, in its order.
#[derive(Debug)]
pub struct Job {
    /// Trainings with their exports and benchmarks.
    pub trainings: Vec<PlannedTraining>,
    /// Benchmarks that stand alone.
    pub benchmarks: Vec<PlannedBenchmark>,
}

/// A training and what follows it.
#[derive(Debug)]
pub struct PlannedTraining {
    /// The training.
    pub plan: TrainingPlan,
    /// Where its model goes.
    pub export: Option<ExportPlan>,
    /// Benchmarks of its model.
    pub benchmarks: Vec<PlannedBenchmark>,
    /// The collector that takes the traces.
    pub otlp_endpoint: Option<String>,
    /// Train on a GPU if there is one.
    pub wants_gpu: bool,
    /// Ranks of the gang that the manifest describes.
    pub ranks: u32,
}

/// A benchmark by name.
#[derive(Debug)]
pub struct PlannedBenchmark {
    /// Name of the resource.
    pub name: String,
    /// The benchmark.
    pub plan: BenchmarkPlan,
    /// Encode on a GPU if there is one.
    pub wants_gpu: bool,
}

/// A manifest that is valid, but asks for what this program cannot do or find.
#[derive(Debug, thiserror::Error)]
#[error("{resource}, {field}: {what}")]
pub struct ResolveError {
    resource: String,
    field: String,
    what: String,
}

/// Turns resources into plans.
///
/// # Errors
/// Every field that this program cannot honour, all at once.
pub fn resolve(resources: &[Resource]) -> Result<Job, Vec<ResolveError>> {
    let trainings: Vec<&api::SpladeTraining> = resources
        .iter()
        .filter_map(|resource| match resource {
            Resource::Training(training) => Some(training.as_ref()),
            Resource::Benchmark(_) => None,
        })
        .collect();
    let mut errors = Vec::new();
    let mut job = Job {
        trainings: Vec::new(),
        benchmarks: Vec::new(),
    };
    for (index, training) in trainings.iter().enumerate() {
        let name = training.metadata.name.clone().unwrap_or_default();
        let mut reader = Reader {
            resource: format!("SpladeTraining {name}"),
            errors: &mut errors,
        };
        let planned = reader.training(&name, &training.spec, &trainings[..index]);
        job.trainings.push(planned);
    }
    for resource in resources {
        if let Resource::Benchmark(benchmark) = resource {
            let name = benchmark.metadata.name.clone().unwrap_or_default();
            let mut reader = Reader {
                resource: format!("SpladeBenchmark {name}"),
                errors: &mut errors,
            };
            let (model, lengths) = reader.benchmark_model(&benchmark.spec.model, &trainings);
            job.benchmarks.push(reader.benchmark(
                "spec",
                &name,
                &benchmark.spec.plan,
                model,
                lengths,
            ));
        }
    }
    if errors.is_empty() {
        Ok(job)
    } else {
        Err(errors)
    }
}

/// Reads one resource and gathers what cannot be honoured.
struct Reader<'a> {
    resource: String,
    errors: &'a mut Vec<ResolveError>,
}

impl Reader<'_> {
    fn refuse(&mut self, field: impl Into<String>, what: impl Into<String>) {
        self.errors.push(ResolveError {
            resource: self.resource.clone(),
            field: field.into(),
            what: what.into(),
        });
    }

    fn path(&mut self, field: &str, uri: &StorageUri) -> PathBuf {
        match uri.local_path() {
            Some(path) => PathBuf::from(path),
            None => {
                self.refuse(
                    field,
                    format!(
                        "{} is not on this machine; give file:// or a path",
                        uri.as_str()
                    ),
                );
                PathBuf::new()
            }
        }
    }

    fn globs(&mut self, field: &str, uris: &[StorageUri]) -> Vec<String> {
        uris.iter()
            .map(|uri| self.path(field, uri).to_string_lossy().into_owned())
            .collect()
    }
}

fn wants_gpu(resource: &DeviceResource) -> bool {
    resource.resource().is_some()
}
