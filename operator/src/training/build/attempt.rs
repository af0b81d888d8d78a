//! The objects of an attempt at the training itself.

use super::{BuildError, MANIFEST_FILE, pod_group, resolved};
use crate::labels::Component;
use crate::objects::{self, Attempt, MANIFEST_FOLDER, MASTER_PORT, Object, PodPlan};
use crate::settings::{ClusterOffers, Settings};
use crate::training::ValidTraining;
use splade_crds::training::AttemptStatus;

/// The objects of an attempt, in the order in which they are created.
///
/// # Errors
/// The manifest of the attempt cannot be written.
pub fn attempt(
    training: &ValidTraining<'_>,
    record: &AttemptStatus,
    initial_weights: Option<&str>,
    offers: &ClusterOffers,
    settings: &Settings,
) -> Result<Vec<Object>, BuildError> {
    let spec = training.spec();
    let gang = &spec.gang;
    let attempt = Attempt {
        component: Component::Training,
        owner: training.owner().clone(),
        number: record.number,
        traceparent: record.traceparent.clone(),
        pods: gang.nodes,
        scheduler: gang.scheduler.clone(),
    };
    let name = attempt.name();
    let pod = PodPlan {
        settings: &gang.pod,
        default_image: &settings.job_image,
        command: command(gang.nodes, gang.devices_per_node),
        devices: gang
            .device_resource
            .resource()
            .map(|resource| (resource, gang.devices_per_node)),
        termination_seconds: spec.run_policy.termination_timeout_seconds,
        env: vec![
            ("MASTER_ADDR", format!("{name}-0.{name}")),
            ("MASTER_PORT", MASTER_PORT.to_string()),
        ],
    };
    let manifest = resolved(training, initial_weights)?;
    let mut built = vec![
        Object::Service(Box::new(objects::service(&attempt))),
        Object::ConfigMap(Box::new(objects::config_map(
            &attempt,
            MANIFEST_FILE,
            &manifest,
        )?)),
    ];
    built.extend(pod_group(&attempt, training, offers));
    built.push(Object::Job(Box::new(objects::job(&attempt, &pod, None))));
    Ok(built)
}

fn command(nodes: u32, ranks: u32) -> Vec<String> {
    let file = format!("{MANIFEST_FOLDER}/{MANIFEST_FILE}");
    let (nodes, ranks) = (nodes.to_string(), ranks.to_string());
    [
        "splade-job",
        "launch",
        "-f",
        &file,
        "--nodes",
        &nodes,
        "--ranks-per-node",
        &ranks,
    ]
    .map(Into::into)
    .into()
}
