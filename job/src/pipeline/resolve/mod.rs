//! From the resources of a manifest to plans: every field that the job consumes is read here, and only here.

mod benchmark;
mod recipe;
mod training;

use super::mirror::{Fetch, FetchKind, place};
use super::needs::{Need, NeedKind};
use crate::benchmark::BenchmarkPlan;
use crate::export::ExportPlan;
use crate::training::{Input, TrainingPlan};
use splade_crds::benchmark::DatasetSpec;
use splade_crds::manifest::Resource;
use splade_crds::training as api;
use splade_crds::{DeviceResource, StorageUri};
use splade_storage::{Location, StorageError};
use std::path::PathBuf;
use std::time::Duration;

/// What a manifest asks for, in its order.
#[derive(Debug)]
pub struct Job {
    /// Trainings with their exports and benchmarks.
    pub trainings: Vec<PlannedTraining>,
    /// Benchmarks that stand alone.
    pub benchmarks: Vec<PlannedBenchmark>,
    /// What all of them need on this machine.
    pub needs: Vec<Need>,
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
    /// What training and evaluation need from object storage.
    pub fetches: Vec<Fetch>,
    /// Where the export goes in object storage.
    pub publish: Option<Location>,
    /// Train on a GPU if there is one.
    pub wants_gpu: bool,
    /// Ranks of the gang that the manifest describes.
    pub ranks: u32,
    /// How long ranks that are asked to leave may take to save.
    pub termination_timeout: Duration,
}

/// A benchmark by name.
#[derive(Debug)]
pub struct PlannedBenchmark {
    /// Name of the resource.
    pub name: String,
    /// The benchmark.
    pub plan: BenchmarkPlan,
    /// What it needs from object storage.
    pub fetches: Vec<Fetch>,
    /// Where its model lies in object storage, if it does: its report goes beside it.
    pub publish: Option<Location>,
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
    plan(resources, true)
}

/// As [`resolve`], for training alone: benchmarks are not planned, and not refused either.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_trainings(resources: &[Resource]) -> Result<Job, Vec<ResolveError>> {
    plan(resources, false)
}

fn plan(resources: &[Resource], with_benchmarks: bool) -> Result<Job, Vec<ResolveError>> {
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
        needs: Vec::new(),
    };
    for (index, training) in trainings.iter().enumerate() {
        let name = training.metadata.name.clone().unwrap_or_default();
        let mut reader = Reader {
            resource: format!("SpladeTraining {name}"),
            fetches: Vec::new(),
            needs: &mut job.needs,
            with_benchmarks,
            errors: &mut errors,
        };
        let planned = reader.training(&name, &training.spec, &trainings[..index]);
        job.trainings.push(planned);
    }
    for resource in resources {
        if with_benchmarks && let Resource::Benchmark(benchmark) = resource {
            let name = benchmark.metadata.name.clone().unwrap_or_default();
            let mut reader = Reader {
                resource: format!("SpladeBenchmark {name}"),
                fetches: Vec::new(),
                needs: &mut job.needs,
                with_benchmarks,
                errors: &mut errors,
            };
            let model = reader.benchmark_model(&benchmark.spec.model, &trainings);
            let planned = reader.benchmark("spec", &name, &benchmark.spec.plan, model);
            job.benchmarks.push(planned);
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
    /// What it needs from object storage.
    fetches: Vec<Fetch>,
    /// What it needs on this machine, after what others need.
    needs: &'a mut Vec<Need>,
    /// Whether benchmarks are planned.
    with_benchmarks: bool,
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

    fn need(&mut self, field: &str, kind: NeedKind) {
        self.needs.push(Need {
            resource: self.resource.clone(),
            field: field.to_owned(),
            kind,
        });
    }

    /// The folder of a data set, with the split that is to be in it.
    fn dataset(&mut self, field: &str, dataset: &DatasetSpec) -> PathBuf {
        let input = self.input(&format!("{field}.uri"), &dataset.uri, FetchKind::Folder);
        if !dataset.uri.is_s3() {
            let kind = NeedKind::Split {
                folder: input.path.clone(),
                split: dataset.split.clone(),
            };
            self.need(field, kind);
        }
        input.path
    }

    fn location(&mut self, field: &str, uri: &StorageUri) -> Location {
        uri.as_str().parse().unwrap_or_else(|error: StorageError| {
            self.refuse(field, error.to_string());
            Location::Local(PathBuf::new())
        })
    }

    /// A folder of this machine, or the place here of one in object storage, which is then fetched as `kind`.
    fn input(&mut self, field: &str, uri: &StorageUri, kind: FetchKind) -> Input {
        let path = match uri.local_path() {
            Some(path) => PathBuf::from(path),
            None => {
                self.fetches.push(Fetch {
                    field: field.to_owned(),
                    uri: uri.as_str().to_owned(),
                    kind,
                });
                place(uri.as_str())
            }
        };
        Input {
            uri: uri.local_path().unwrap_or(uri.as_str()).to_owned(),
            path,
        }
    }

    fn globs(&mut self, field: &str, uris: &[StorageUri]) -> Vec<Input> {
        uris.iter()
            .map(|uri| self.input(field, uri, FetchKind::Matching))
            .collect()
    }

    /// A folder of this machine to write to, and where in object storage its content goes, if it goes there.
    fn output(&mut self, field: &str, uri: &StorageUri) -> (PathBuf, Option<Location>) {
        match uri.local_path() {
            Some(path) => (PathBuf::from(path), None),
            None => {
                let location = self.location(field, uri);
                (place(uri.as_str()), Some(location))
            }
        }
    }

    /// A folder that must be on this machine.
    fn local(&mut self, field: &str, uri: &StorageUri) -> PathBuf {
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
}

fn wants_gpu(resource: &DeviceResource) -> bool {
    resource.resource().is_some()
}
