//! From a training as it was read to one that pods can be built from.

use crate::objects::Owner;
use crate::validate::{in_one_line, pod_faults};
use splade_crds::validation::{FieldError, validate_training};
use splade_crds::{FieldPath, SpladeTraining, SpladeTrainingSpec};

/// A training without a fault.
#[derive(Clone, Debug)]
pub struct ValidTraining<'a> {
    owner: Owner,
    spec: &'a SpladeTrainingSpec,
}

/// A training that no pod can be built from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTraining {
    /// The manifest is at fault.
    #[error("{}", in_one_line(.0))]
    Manifest(Vec<FieldError>),
    /// Not an object of a cluster.
    #[error("the object has no {0}: it was not read from an API server")]
    Incomplete(&'static str),
}

impl<'a> ValidTraining<'a> {
    /// Checks a training.
    ///
    /// # Errors
    /// All faults of the manifest, or what of its metadata is missing.
    pub fn new(training: &'a SpladeTraining) -> Result<Self, InvalidTraining> {
        let mut faults = validate_training(training);
        let gang = &training.spec.gang;
        faults.extend(pod_faults(&gang.pod, &FieldPath::of("spec.gang")));
        if !faults.is_empty() {
            return Err(InvalidTraining::Manifest(faults));
        }
        let metadata = &training.metadata;
        let there =
            |field: &Option<String>, name| field.clone().ok_or(InvalidTraining::Incomplete(name));
        Ok(Self {
            owner: Owner {
                kind: "SpladeTraining",
                namespace: there(&metadata.namespace, "namespace")?,
                name: there(&metadata.name, "name")?,
                uid: there(&metadata.uid, "uid")?,
            },
            spec: &training.spec,
        })
    }

    /// What owns the objects of its attempts.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The spec.
    pub fn spec(&self) -> &'a SpladeTrainingSpec {
        self.spec
    }
}
