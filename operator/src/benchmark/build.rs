//! From a valid benchmark to the objects that carry it out.

use crate::benchmark::ValidBenchmark;
use crate::labels::Component;
use crate::objects::{self, Attempt, MANIFEST_FOLDER, Object, PodPlan};
use crate::settings::Settings;
use splade_crds::StorageUriError;
use splade_crds::benchmark::BenchmarkModel;
use splade_crds::training::{AttemptStatus, SchedulerSpec};

/// File name of the manifest in a pod.
pub const MANIFEST_FILE: &str = "benchmark.yaml";
/// Seconds that a benchmark may take from when its pod may start.
const DEADLINE_SECONDS: i64 = 48 * 3600;
/// Seconds that its pod has to leave: it has nothing to save.
const TERMINATION_SECONDS: u32 = 30;

/// Objects that cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The manifest cannot be written as JSON.
    #[error("the manifest of the attempt cannot be written: {0}")]
    Manifest(#[from] serde_json::Error),
    /// The model lies nowhere.
    #[error("the model of spec.model.trainingRef: {0}")]
    Model(#[from] StorageUriError),
}

/// The objects of an attempt, in the order in which they are created.
///
/// # Errors
/// The manifest of the attempt cannot be written.
pub fn attempt(
    benchmark: &ValidBenchmark<'_>,
    record: &AttemptStatus,
    model_uri: &str,
    settings: &Settings,
) -> Result<Vec<Object>, BuildError> {
    let mut spec = benchmark.spec().clone();
    spec.model = BenchmarkModel::Uri(model_uri.parse()?);
    let attempt = Attempt {
        component: Component::Benchmark,
        owner: benchmark.owner().clone(),
        number: record.number,
        traceparent: record.traceparent.clone(),
        pods: 1,
        scheduler: SchedulerSpec::default(),
    };
    let plan = &benchmark.spec().plan;
    let file = format!("{MANIFEST_FOLDER}/{MANIFEST_FILE}");
    let pod = PodPlan {
        settings: &plan.pod.settings,
        default_image: &settings.job_image,
        command: ["splade-job", "benchmark", "-f", &file]
            .map(Into::into)
            .into(),
        devices: plan
            .pod
            .device_resource
            .resource()
            .map(|resource| (resource, plan.pod.devices)),
        termination_seconds: TERMINATION_SECONDS,
        env: Vec::new(),
    };
    let config_map = objects::config_map(&attempt, MANIFEST_FILE, &spec)?;
    let job = objects::job(&attempt, &pod, Some(DEADLINE_SECONDS));
    Ok(vec![
        Object::ConfigMap(Box::new(config_map)),
        Object::Job(Box::new(job)),
    ])
}
