//! A decision about a training in the making.

use crate::attempts::Attempts;
use crate::draft::{self, Planned, Shared};
use crate::effect::Decision;
use crate::labels::Component;
use crate::objects;
use crate::training::{Observed, build};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use splade_crds::training::{AttemptCause, AttemptStatus};
use splade_crds::{ConditionType, SpladeTrainingSpec, SpladeTrainingStatus};

/// A decision in the making.
pub(super) type Draft<'a> = draft::Draft<'a, Observed>;

impl Planned for Observed {
    type Status = SpladeTrainingStatus;
    const CONDITIONS: &'static [ConditionType] = &[
        ConditionType::Succeeded,
        ConditionType::Failed,
        ConditionType::Suspended,
        ConditionType::Progressing,
        ConditionType::Scheduled,
        ConditionType::CheckpointAvailable,
        ConditionType::Exported,
        ConditionType::Benchmarked,
        ConditionType::ResourcesReleased,
    ];

    fn now(&self) -> Timestamp {
        self.now
    }

    fn metadata(&self) -> &ObjectMeta {
        &self.training.metadata
    }

    fn status(&self) -> Option<&SpladeTrainingStatus> {
        self.training.status.as_ref()
    }

    fn conditions(status: &SpladeTrainingStatus) -> &[Condition] {
        &status.conditions
    }

    fn shared(status: &mut SpladeTrainingStatus) -> Shared<'_> {
        Shared {
            observed_generation: &mut status.observed_generation,
            conditions: &mut status.conditions,
            state: &mut status.state,
        }
    }
}

impl<'a> Draft<'a> {
    pub(super) fn spec(&self) -> &'a SpladeTrainingSpec {
        &self.observed.training.spec
    }

    pub(super) fn last_attempt(&self) -> Option<&AttemptStatus> {
        self.status.attempts.last()
    }

    /// The attempt that has not ended.
    pub(super) fn open_attempt(&self) -> Option<&AttemptStatus> {
        self.last_attempt().filter(|last| last.cause.is_none())
    }

    /// Whether the training itself is done.
    pub(super) fn is_trained(&self) -> bool {
        self.last_attempt()
            .is_some_and(|last| last.cause == Some(AttemptCause::Completed))
    }

    /// The attempts of this kind, as they show in the cluster.
    pub(super) fn attempts(&self, component: Component) -> Attempts<'a> {
        let observed = self.observed;
        let scheduler = match component {
            Component::Training => self.spec().gang.scheduler.clone(),
            _ => build::export_scheduler(&self.spec().gang.scheduler),
        };
        Attempts {
            component,
            owner: self.name(),
            jobs: &observed.jobs,
            pods: &observed.pods,
            pod_group: objects::pod_group_api(&scheduler, &observed.offers),
            offers: observed.offers,
        }
    }

    pub(super) fn decide(self) -> Decision<SpladeTrainingStatus> {
        let export = self.status.export.as_ref().map(|export| &export.attempt);
        let goes_on = if let Some(open) = self.open_attempt() {
            let message = format!("attempt {} has not ended", open.number);
            Some(("AttemptGoesOn", message))
        } else if export.is_some_and(|attempt| attempt.cause.is_none()) {
            Some(("ExportGoesOn", "the export has not ended".into()))
        } else {
            None
        };
        self.decided(goes_on, "no pod can still run, those of benchmarks apart")
    }
}
