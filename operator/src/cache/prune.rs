//! What of an object is kept in memory: only what the plans read.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

/// Who changed which field is of no use here, and is a third of an object.
pub(super) fn resource<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// A Job without the template of its pods, but for what its scheduler was told.
pub(super) fn job(job: &mut Job) {
    resource(job);
    let Some(spec) = job.spec.take() else { return };
    let metadata = spec.template.metadata.map(|metadata| ObjectMeta {
        annotations: metadata.annotations,
        ..ObjectMeta::default()
    });
    let pod = spec.template.spec.map(|pod| PodSpec {
        scheduling_group: pod.scheduling_group,
        ..PodSpec::default()
    });
    job.spec = Some(JobSpec {
        template: PodTemplateSpec {
            metadata,
            spec: pod,
        },
        selector: None,
        pod_failure_policy: None,
        ..spec
    });
}

/// A pod with where it is and how it is, without what it is made of.
pub(super) fn pod(pod: &mut Pod) {
    resource(pod);
    pod.metadata.annotations = None;
    let Some(spec) = pod.spec.take() else { return };
    pod.spec = Some(PodSpec {
        node_name: spec.node_name,
        scheduling_group: spec.scheduling_group,
        ..PodSpec::default()
    });
}
