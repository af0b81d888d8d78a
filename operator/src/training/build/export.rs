//! The objects of an attempt at the export.

use super::{BuildError, MANIFEST_FILE, pod_group, resolved};
use crate::labels::Component;
use crate::objects::{self, Attempt, MANIFEST_FOLDER, Object, PodPlan};
use crate::settings::{ClusterOffers, Settings};
use crate::training::ValidTraining;
use splade_crds::training::{AttemptStatus, SchedulerSpec, SchedulerType};

/// Seconds that an export may take from when it may start: a model is read and written once.
const DEADLINE_SECONDS: i64 = 6 * 3600;

/// The objects of an export, in the order in which they are created. Its pod is like those of the training, without
/// devices: it computes nothing.
///
/// # Errors
/// The manifest of the attempt cannot be written.
pub fn export(
    training: &ValidTraining<'_>,
    record: &AttemptStatus,
    initial_weights: Option<&str>,
    offers: &ClusterOffers,
    settings: &Settings,
) -> Result<Vec<Object>, BuildError> {
    let spec = training.spec();
    let attempt = Attempt {
        component: Component::Export,
        owner: training.owner().clone(),
        number: record.number,
        traceparent: record.traceparent.clone(),
        pods: 1,
        scheduler: scheduler(&spec.gang.scheduler),
    };
    let file = format!("{MANIFEST_FOLDER}/{MANIFEST_FILE}");
    let pod = PodPlan {
        settings: &spec.gang.pod,
        default_image: &settings.job_image,
        command: ["splade-job", "export", "-f", &file].map(Into::into).into(),
        devices: None,
        termination_seconds: spec.run_policy.termination_timeout_seconds,
        env: Vec::new(),
    };
    let manifest = resolved(training, initial_weights)?;
    let config_map = objects::config_map(&attempt, MANIFEST_FILE, &manifest)?;
    let mut built = vec![Object::ConfigMap(Box::new(config_map))];
    built.extend(pod_group(&attempt, training, offers));
    let job = objects::job(&attempt, &pod, Some(DEADLINE_SECONDS));
    built.push(Object::Job(Box::new(job)));
    Ok(built)
}

/// One pod is no gang: a PodGroup of Kubernetes would say nothing.
pub fn scheduler(gang: &SchedulerSpec) -> SchedulerSpec {
    match gang.kind {
        SchedulerType::PodGroup => SchedulerSpec::default(),
        _ => gang.clone(),
    }
}
