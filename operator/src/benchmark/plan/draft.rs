//! A decision in the making.

use crate::attempts::Release;
use crate::benchmark::Observed;
use crate::conditions::{Conditions, Truth, holds};
use crate::effect::{Decision, Effect, Notice, Severity};
use crate::time;
use k8s_openapi::jiff::Timestamp;
use splade_crds::{ConditionType, DisplayState, SpladeBenchmarkStatus};

/// All conditions of a benchmark.
const CONDITIONS: [ConditionType; 5] = [
    ConditionType::Succeeded,
    ConditionType::Failed,
    ConditionType::Progressing,
    ConditionType::Scheduled,
    ConditionType::ResourcesReleased,
];

/// A decision in the making.
pub(super) struct Draft<'a> {
    pub(super) observed: &'a Observed,
    /// The time, in whole seconds.
    pub(super) now: Timestamp,
    pub(super) status: SpladeBenchmarkStatus,
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
            now: time::whole(observed.now),
            status: observed.benchmark.status.clone().unwrap_or_default(),
            effects: Vec::new(),
            next: None,
            held: Vec::new(),
        };
        draft.status.observed_generation = observed.benchmark.metadata.generation;
        let mut conditions = draft.conditions();
        for kind in CONDITIONS {
            conditions.first_seen(kind);
        }
        draft
    }

    pub(super) fn name(&self) -> &'a str {
        let name = self.observed.benchmark.metadata.name.as_deref();
        name.unwrap_or_default()
    }

    pub(super) fn conditions(&mut self) -> Conditions<'_> {
        let generation = self.observed.benchmark.metadata.generation;
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

    /// Shows that the benchmark goes on.
    pub(super) fn goes_on(&mut self, state: DisplayState, reason: &str, message: &str) {
        self.status.state = Some(state);
        self.set(ConditionType::Progressing, Truth::True, reason, message);
        self.set(ConditionType::Succeeded, Truth::Unknown, reason, message);
        self.set(ConditionType::Failed, Truth::Unknown, reason, message);
    }

    /// Shows what holds the benchmark up until somebody changes something.
    pub(super) fn stuck(&mut self, reason: &str, message: &str) {
        self.status.state = Some(DisplayState::Pending);
        self.set(ConditionType::Progressing, Truth::False, reason, message);
        self.no_pod();
    }

    pub(super) fn no_pod(&mut self) {
        let text = "no attempt runs";
        self.set(ConditionType::Scheduled, Truth::False, "NoPods", text);
    }

    pub(super) fn has_ended(&self) -> bool {
        holds(&self.status.conditions, ConditionType::Succeeded)
            || holds(&self.status.conditions, ConditionType::Failed)
    }

    pub(super) fn take(&mut self, release: Release) {
        self.effects.extend(release.effects);
        self.held.extend(release.held);
        if let Some(next) = release.next {
            self.next = Some(self.next.map_or(next, |known| known.min(next)));
        }
    }

    pub(super) fn publish(&mut self, severity: Severity, reason: &'static str, note: &str) {
        self.effects
            .push(Effect::Publish(Notice::new(severity, reason, note)));
    }

    pub(super) fn decide(mut self) -> Decision<SpladeBenchmarkStatus> {
        let open = self.status.attempt.as_ref();
        let kind = ConditionType::ResourcesReleased;
        if open.is_some_and(|attempt| attempt.cause.is_none()) {
            let text = "the attempt has not ended";
            self.set(kind, Truth::False, "AttemptGoesOn", text);
        } else if self.held.is_empty() {
            self.set(kind, Truth::True, "NothingHeld", "no pod can still run");
        } else {
            let text = format!("waiting for {}", self.held.join(", "));
            self.set(kind, Truth::False, "PodsLeaving", text);
        }
        Decision {
            status: self.status,
            effects: self.effects,
            requeue_after: self.next.map(|next| time::until(self.now, next)),
        }
    }
}
