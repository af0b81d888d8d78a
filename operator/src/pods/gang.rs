//! A Job and its pods, out of all that carry the labels of their owner.

use super::PodView;
use crate::labels::{self, Component};
use crate::names;
use crate::objects::KUEUE_QUEUE;
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use std::sync::Arc;

/// An attempt as it shows in the cluster.
#[derive(Clone, Debug)]
pub struct Gang<'a> {
    /// Its Job.
    pub job: Option<&'a Job>,
    /// Its pods, in order of their places.
    pub pods: Vec<PodView<'a>>,
    /// Pods that there are when all are there.
    pub size: u32,
}

impl<'a> Gang<'a> {
    /// Finds the Job and the pods of an attempt.
    pub fn find(
        component: Component,
        owner: &str,
        attempt: u32,
        size: u32,
        jobs: &'a [Arc<Job>],
        pods: &'a [Arc<Pod>],
    ) -> Self {
        let name = names::of_attempt(component, owner, attempt);
        let mut jobs = jobs.iter().map(AsRef::as_ref);
        let job = jobs.find(|job| job.metadata.name.as_ref() == Some(&name));
        let uid = job.and_then(|job| job.metadata.uid.as_deref());
        let mut pods: Vec<_> = pods
            .iter()
            .map(|pod| PodView(pod))
            .filter(|pod| is_of(*pod, component) && pod.attempt() == Some(attempt))
            .filter(|pod| uid.is_some() && pod.controller() == uid)
            .collect();
        pods.sort_by_key(|pod| (pod.index(), pod.name()));
        Self { job, pods, size }
    }

    /// The same without pods that were deleted before Kubernetes began to make pods of the Job: a queue took them back,
    /// and the Job with them. They may still save while others follow them.
    pub fn without_former_pods(mut self) -> Self {
        let begun = self.begun();
        self.pods.retain(|pod| {
            let deleted = pod.deleted_at();
            deleted.is_none_or(|deleted| begun.is_some_and(|begun| deleted >= begun))
        });
        self
    }

    /// When Kubernetes began to make pods of the Job, since it was last held back; nothing while it is. Its condition
    /// Suspended stays a moment longer than that.
    pub fn begun(&self) -> Option<Timestamp> {
        if self.is_suspended() || self.holds(&["Suspended"]).is_some() {
            return None;
        }
        let status = self.job?.status.as_ref()?;
        status.start_time.as_ref().map(|time| time.0)
    }

    /// A condition of the Job that holds.
    pub fn holds(&self, kinds: &[&str]) -> Option<&'a JobCondition> {
        let conditions = self.job?.status.as_ref()?.conditions.as_ref()?;
        conditions.iter().find(|condition| {
            kinds.contains(&condition.type_.as_str()) && condition.status == "True"
        })
    }

    /// Whether the Job has ended or is about to, by itself.
    pub fn is_finishing(&self) -> bool {
        self.holds(&["Complete", "SuccessCriteriaMet", "Failed", "FailureTarget"])
            .is_some()
    }

    /// Whether somebody holds the Job back.
    pub fn is_suspended(&self) -> bool {
        let spec = self.job.and_then(|job| job.spec.as_ref());
        spec.is_some_and(|spec| spec.suspend == Some(true))
    }

    /// Whether a queue decides when the Job runs.
    pub fn has_queue(&self) -> bool {
        let labels = self.job.and_then(|job| job.metadata.labels.as_ref());
        labels.is_some_and(|labels| labels.contains_key(KUEUE_QUEUE))
    }

    /// Number of places for which `is` holds.
    pub fn places(&self, is: impl Fn(PodView<'a>) -> bool) -> usize {
        let mut places: Vec<_> = self
            .pods
            .iter()
            .filter(|pod| is(**pod))
            .map(|pod| pod.index().unwrap_or(0))
            .collect();
        places.dedup();
        places.len()
    }
}

/// Whether a pod does this.
pub fn is_of(pod: PodView<'_>, component: Component) -> bool {
    pod.label(labels::COMPONENT) == Some(component.name())
}
