//! A pod, seen as a member of an attempt.

use super::TerminationMessage;
use crate::labels;
use crate::names;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, Pod, PodCondition, PodStatus,
};
use k8s_openapi::jiff::Timestamp;

/// Label that Kubernetes gives to the pods of an Indexed Job.
const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// A pod, seen as a member of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct PodView<'a>(pub &'a Pod);

impl<'a> PodView<'a> {
    /// Its name.
    pub fn name(self) -> &'a str {
        self.0.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its uid.
    pub fn uid(self) -> &'a str {
        self.0.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Its place in the gang.
    pub fn index(self) -> Option<u32> {
        self.label(COMPLETION_INDEX)?.parse().ok()
    }

    /// Number of the attempt that it belongs to.
    pub fn attempt(self) -> Option<u32> {
        self.label(labels::ATTEMPT)?.parse().ok()
    }

    /// The value of a label.
    pub fn label(self, key: &str) -> Option<&'a str> {
        let labels = self.0.metadata.labels.as_ref()?;
        labels.get(key).map(String::as_str)
    }

    /// Uid of the Job that controls it.
    pub fn controller(self) -> Option<&'a str> {
        let owners = self.0.metadata.owner_references.as_ref()?;
        let controller = owners.iter().find(|owner| owner.controller == Some(true));
        controller.map(|owner| owner.uid.as_str())
    }

    /// The node it is on.
    pub fn node(self) -> Option<&'a str> {
        let spec = self.0.spec.as_ref()?;
        spec.node_name.as_deref()
    }

    /// When it was made.
    pub fn created_at(self) -> Option<Timestamp> {
        let created = self.0.metadata.creation_timestamp.as_ref();
        created.map(|time| time.0)
    }

    /// Until when it has been given time to leave, once it has been deleted.
    pub fn leaves_by(self) -> Option<Timestamp> {
        let deleted = self.0.metadata.deletion_timestamp.as_ref();
        deleted.map(|time| time.0)
    }

    /// When it was deleted: `leaves_by` less the time that it was given.
    pub fn deleted_at(self) -> Option<Timestamp> {
        let grace = self.0.metadata.deletion_grace_period_seconds.unwrap_or(0);
        crate::time::earlier(self.leaves_by()?, grace)
    }

    /// Whether it may still run: it has not ended as far as the cluster knows.
    pub fn may_run(self) -> bool {
        !matches!(self.phase(), "Succeeded" | "Failed")
    }

    /// Its phase.
    pub fn phase(self) -> &'a str {
        self.status()
            .and_then(|status| status.phase.as_deref())
            .unwrap_or("Pending")
    }

    /// Its status.
    pub fn status(self) -> Option<&'a PodStatus> {
        self.0.status.as_ref()
    }

    /// One of its conditions.
    pub fn condition(self, kind: &str) -> Option<&'a PodCondition> {
        let conditions = self.status()?.conditions.as_ref()?;
        conditions.iter().find(|condition| condition.type_ == kind)
    }

    /// The state of the container that does the work.
    pub fn state(self) -> Option<&'a ContainerState> {
        let statuses = self.status()?.container_statuses.as_ref()?;
        let ours = statuses
            .iter()
            .find(|status| status.name == names::CONTAINER);
        ours?.state.as_ref()
    }

    /// Whether the container that does the work runs.
    pub fn runs(self) -> bool {
        self.phase() == "Running" && self.state().is_some_and(|state| state.running.is_some())
    }

    /// How the container that does the work ended.
    pub fn terminated(self) -> Option<&'a ContainerStateTerminated> {
        self.state()?.terminated.as_ref()
    }

    /// What it says about how it ended.
    pub fn message(self) -> Option<TerminationMessage> {
        TerminationMessage::of(self.terminated()?)
    }
}
