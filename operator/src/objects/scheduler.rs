//! What each gang scheduler wants to be told.

use super::Attempt;
use crate::effect::PodGroupApi;
use crate::settings::ClusterOffers;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::PodSchedulingGroup;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use splade_crds::training::{SchedulerSpec, SchedulerType};
use std::collections::BTreeMap;

/// Queue of a Job, for Kueue.
pub const KUEUE_QUEUE: &str = "kueue.x-k8s.io/queue-name";
/// Queue of a pod, for KAI.
const KAI_QUEUE: &str = "kai.scheduler/queue";
/// Pods that KAI starts together or not at all.
const KAI_MIN_MEMBER: &str = "kai.scheduler/batch-min-member";
/// PodGroup of a pod, for Volcano.
const VOLCANO_GROUP: &str = "scheduling.k8s.io/group-name";

/// Whose PodGroup an attempt needs, as far as the cluster has it.
pub fn pod_group_api(scheduler: &SchedulerSpec, offers: &ClusterOffers) -> Option<PodGroupApi> {
    match scheduler.kind {
        SchedulerType::None | SchedulerType::Kueue | SchedulerType::Kai => None,
        SchedulerType::Volcano => Some(PodGroupApi::Volcano),
        SchedulerType::PodGroup => offers.pod_group.map(PodGroupApi::Native),
    }
}

/// Whose PodGroup the pods of a Job are in.
pub fn pod_group_of(job: &Job, offers: &ClusterOffers) -> Option<PodGroupApi> {
    let template = &job.spec.as_ref()?.template;
    let annotations = template.metadata.as_ref()?.annotations.as_ref();
    if annotations.is_some_and(|annotations| annotations.contains_key(VOLCANO_GROUP)) {
        return Some(PodGroupApi::Volcano);
    }
    template.spec.as_ref()?.scheduling_group.as_ref()?;
    offers.pod_group.map(PodGroupApi::Native)
}

/// The PodGroup that makes the pods of an attempt start together or not at all.
pub fn pod_group(
    attempt: &Attempt,
    priority_class: Option<&str>,
    api: PodGroupApi,
) -> DynamicObject {
    let mut spec = match api {
        PodGroupApi::Native(_) => {
            json!({"schedulingPolicy": {"gang": {"minCount": attempt.pods}}})
        }
        PodGroupApi::Volcano => {
            json!({"minMember": attempt.pods, "queue": attempt.scheduler.queue_name})
        }
    };
    if let (Some(class), Value::Object(members)) = (priority_class, &mut spec) {
        members.insert("priorityClassName".into(), class.into());
    }
    let mut group = DynamicObject::new(&attempt.name(), &api.resource());
    group.metadata = attempt.metadata();
    group.data = json!({"spec": spec});
    group
}

/// Marks a Job and its pods for the scheduler of the attempt.
pub fn mark(attempt: &Attempt, metadata: &mut ObjectMeta, job: &mut JobSpec) {
    let queue = attempt.scheduler.queue_name.clone().unwrap_or_default();
    let template = job.template.metadata.get_or_insert_default();
    let pod = job.template.spec.get_or_insert_default();
    match attempt.scheduler.kind {
        SchedulerType::None => {}
        SchedulerType::Kueue => {
            put(&mut metadata.labels, KUEUE_QUEUE, queue);
            // From here on Kueue alone says when the Job runs.
            job.suspend = Some(true);
        }
        SchedulerType::Volcano => {
            put(&mut template.annotations, VOLCANO_GROUP, attempt.name());
            pod.scheduler_name = Some("volcano".into());
        }
        SchedulerType::Kai => {
            put(&mut metadata.labels, KAI_QUEUE, queue.clone());
            put(&mut template.labels, KAI_QUEUE, queue);
            let pods = attempt.pods.to_string();
            put(&mut metadata.annotations, KAI_MIN_MEMBER, pods);
            pod.scheduler_name = Some("kai-scheduler".into());
        }
        SchedulerType::PodGroup => {
            pod.scheduling_group = Some(PodSchedulingGroup {
                pod_group_name: Some(attempt.name()),
            });
        }
    }
}

fn put(map: &mut Option<BTreeMap<String, String>>, key: &str, value: String) {
    map.get_or_insert_default().insert(key.into(), value);
}
