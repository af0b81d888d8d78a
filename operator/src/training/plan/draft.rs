//! A decision in the making.

use crate::attempts::{Attempts, Release};
use crate::conditions::{Conditions, Truth, holds};
use crate::effect::{Decision, Effect, Notice, Severity};
use crate::labels::Component;
use crate::objects;
use crate::time;
use crate::training::{Observed, build};
use k8s_openapi::jiff::Timestamp;
use splade_crds::training::{AttemptCause, AttemptStatus};
use splade_crds::{ConditionType, SpladeTrainingSpec, SpladeTrainingStatus};

/// All conditions of a training.
const CONDITIONS: [ConditionType; 9] = [
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

/// A decision in the making.
pub(super) struct Draft<'a> {
    pub(super) observed: &'a Observed,
    pub(super) spec: &'a SpladeTrainingSpec,
    /// The time, in whole seconds.
    pub(super) now: Timestamp,
    pub(super) status: SpladeTrainingStatus,
    pub(super) effects: Vec<Effect>,
    /// When to look again.
    next: Option<Timestamp>,
    /// What attempts that have ended still hold.
    held: Vec<String>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(observed: &'a Observed) -> Self {
        let mut draft = Self {
            observed,
            spec: &observed.training.spec,
            now: time::whole(observed.now),
            status: observed.training.status.clone().unwrap_or_default(),
            effects: Vec::new(),
            next: None,
            held: Vec::new(),
        };
        draft.status.observed_generation = observed.training.metadata.generation;
        let mut conditions = draft.conditions();
        for kind in CONDITIONS {
            conditions.first_seen(kind);
        }
        draft
    }

    pub(super) fn name(&self) -> &'a str {
        let name = self.observed.training.metadata.name.as_deref();
        name.unwrap_or_default()
    }

    pub(super) fn conditions(&mut self) -> Conditions<'_> {
        let generation = self.observed.training.metadata.generation;
        Conditions::new(&mut self.status.conditions, generation, self.now)
    }

    pub(super) fn set(
        &mut self,
        kind: ConditionType,
        truth: Truth,
        reason: &str,
        message: impl Into<String>,
    ) {
        self.conditions().set(kind, truth, reason, message);
    }

    pub(super) fn has_ended(&self) -> bool {
        holds(&self.status.conditions, ConditionType::Succeeded)
            || holds(&self.status.conditions, ConditionType::Failed)
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
            Component::Training => self.spec.gang.scheduler.clone(),
            _ => build::export_scheduler(&self.spec.gang.scheduler),
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

    pub(super) fn take(&mut self, release: Release) {
        self.effects.extend(release.effects);
        self.held.extend(release.held);
        if let Some(next) = release.next {
            self.look_again(next);
        }
    }

    pub(super) fn look_again(&mut self, then: Timestamp) {
        self.next = Some(self.next.map_or(then, |next| next.min(then)));
    }

    pub(super) fn publish(&mut self, severity: Severity, reason: &'static str, note: String) {
        let notice = Notice::new(severity, reason, &note);
        self.effects.push(Effect::Publish(notice));
    }

    pub(super) fn decide(mut self) -> Decision<SpladeTrainingStatus> {
        self.show_what_is_held();
        Decision {
            status: self.status,
            effects: self.effects,
            requeue_after: self.next.map(|next| time::until(self.now, next)),
        }
    }

    fn show_what_is_held(&mut self) {
        let export = self.status.export.as_ref().map(|export| &export.attempt);
        let exports = export.is_some_and(|attempt| attempt.cause.is_none());
        let kind = ConditionType::ResourcesReleased;
        if let Some(open) = self.open_attempt() {
            let message = format!("attempt {} has not ended", open.number);
            self.set(kind, Truth::False, "AttemptGoesOn", message);
        } else if exports {
            self.set(
                kind,
                Truth::False,
                "ExportGoesOn",
                "the export has not ended",
            );
        } else if self.held.is_empty() {
            let message = "no pod can still run, those of benchmarks apart";
            self.set(kind, Truth::True, "NothingHeld", message);
        } else {
            let message = format!("waiting for {}", self.held.join(", "));
            self.set(kind, Truth::False, "PodsLeaving", message);
        }
    }
}
