//! What of an object is kept in memory: only what the plans read.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

/// Who changed which field is of no use here, and is a third of an object.
pub(super) fn resource<K: Resource>(object: &mut K) {
    let metadata = object.meta_mut();
    metadata.managed_fields = None;
    shrink(&mut metadata.owner_references);
}

/// A list that has been read holds room for more: four places for a container's status, which is the largest part of a
/// pruned pod.
fn shrink<T>(list: &mut Option<Vec<T>>) {
    if let Some(list) = list {
        list.shrink_to_fit();
    }
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
    if let Some(status) = &mut pod.status {
        shrink(&mut status.conditions);
        shrink(&mut status.container_statuses);
    }
    let Some(spec) = pod.spec.take() else { return };
    pod.spec = Some(PodSpec {
        node_name: spec.node_name,
        scheduling_group: spec.scheduling_group,
        ..PodSpec::default()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_keeps_what_plans_read_and_no_room_for_more() {
        let mut read: Pod = serde_json::from_value(json!({
            "metadata": {
                "name": "v33-a1-0",
                "annotations": {"note": "long"},
                "managedFields": [{"manager": "kubelet"}],
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "v33-a1", "uid": "u"}],
            },
            "spec": {"nodeName": "n1", "containers": [{"name": "job"}]},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [
                    {"name": "job", "image": "i", "imageID": "", "ready": true, "restartCount": 0},
                ],
            },
        }))
        .unwrap();
        pod(&mut read);
        let metadata = &read.metadata;
        assert!(metadata.annotations.is_none() && metadata.managed_fields.is_none());
        let spec = read.spec.unwrap();
        assert_eq!(spec.node_name.as_deref(), Some("n1"));
        assert!(spec.containers.is_empty());
        let status = read.status.unwrap();
        assert_eq!(status.phase.as_deref(), Some("Running"));
        assert_eq!(status.conditions.unwrap().capacity(), 1);
        assert_eq!(status.container_statuses.unwrap().capacity(), 1);
        assert_eq!(read.metadata.owner_references.unwrap().capacity(), 1);
    }
}
