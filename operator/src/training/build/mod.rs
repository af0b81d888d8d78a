//! From a valid training to the objects that carry it out.

mod attempt;
mod benchmark;
mod export;

pub use attempt::attempt;
pub use benchmark::benchmark;
pub use export::{export, scheduler as export_scheduler};

use crate::objects::{self, Attempt, Object};
use crate::settings::ClusterOffers;
use crate::training::ValidTraining;
use splade_crds::training::InitFrom;
use splade_crds::{SpladeTrainingSpec, StorageUriError};

/// File name of the manifest in a pod.
pub const MANIFEST_FILE: &str = "training.yaml";

/// Objects that cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The manifest cannot be written as JSON.
    #[error("the manifest of the attempt cannot be written: {0}")]
    Manifest(#[from] serde_json::Error),
    /// The weights of the training before this one lie nowhere.
    #[error("the weights of spec.initFrom.trainingRef: {0}")]
    InitialWeights(#[from] StorageUriError),
}

/// The spec that the pods read: the weights of another training by where they lie.
fn resolved(
    training: &ValidTraining<'_>,
    initial_weights: Option<&str>,
) -> Result<SpladeTrainingSpec, BuildError> {
    let mut spec = training.spec().clone();
    if let Some(uri) = initial_weights {
        spec.init_from = Some(InitFrom::Uri(uri.parse()?));
    }
    Ok(spec)
}

/// The PodGroup of an attempt, where its scheduler wants one.
fn pod_group(
    attempt: &Attempt,
    training: &ValidTraining<'_>,
    offers: &ClusterOffers,
) -> Option<Object> {
    let api = objects::pod_group_api(&attempt.scheduler, offers)?;
    let priority = training.spec().gang.pod.priority_class_name.as_deref();
    let group = objects::pod_group(attempt, priority, api);
    Some(Object::PodGroup(api, Box::new(group)))
}
