//! From a benchmark as it was read to one that pods can be built from.

use crate::objects::Owner;
use crate::validate::{in_one_line, pod_faults};
use splade_crds::validation::{FieldError, validate_benchmark};
use splade_crds::{FieldPath, SpladeBenchmark, SpladeBenchmarkSpec};

/// A benchmark without a fault.
#[derive(Clone, Debug)]
pub struct ValidBenchmark<'a> {
    owner: Owner,
    spec: &'a SpladeBenchmarkSpec,
}

/// A benchmark that no pod can be built from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBenchmark {
    /// The manifest is at fault.
    #[error("{}", in_one_line(.0))]
    Manifest(Vec<FieldError>),
    /// Not an object of a cluster.
    #[error("the object has no {0}: it was not read from an API server")]
    Incomplete(&'static str),
}

impl<'a> ValidBenchmark<'a> {
    /// Checks a benchmark.
    ///
    /// # Errors
    /// All faults of the manifest, or what of its metadata is missing.
    pub fn new(benchmark: &'a SpladeBenchmark) -> Result<Self, InvalidBenchmark> {
        let mut faults = validate_benchmark(benchmark);
        let pod = &benchmark.spec.plan.pod.settings;
        faults.extend(pod_faults(pod, &FieldPath::of("spec.pod")));
        if !faults.is_empty() {
            return Err(InvalidBenchmark::Manifest(faults));
        }
        let metadata = &benchmark.metadata;
        let there =
            |field: &Option<String>, name| field.clone().ok_or(InvalidBenchmark::Incomplete(name));
        Ok(Self {
            owner: Owner {
                kind: "SpladeBenchmark",
                namespace: there(&metadata.namespace, "namespace")?,
                name: there(&metadata.name, "name")?,
                uid: there(&metadata.uid, "uid")?,
            },
            spec: &benchmark.spec,
        })
    }

    /// What owns the objects of its attempts.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The spec.
    pub fn spec(&self) -> &'a SpladeBenchmarkSpec {
        self.spec
    }
}
