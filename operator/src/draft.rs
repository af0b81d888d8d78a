//! A decision in the making, the same for every kind of resource.

use crate::attempts::Release;
use crate::conditions::{Conditions, Truth, holds};
use crate::effect::{Decision, Effect, Notice, Severity};
use crate::pods::{Failure, Start};
use crate::time;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use splade_crds::{ConditionType, DisplayState};

/// What a plan goes by, as far as all kinds of resource share it.
pub(crate) trait Planned {
    /// Status of the resource.
    type Status: Clone + Default;
    /// All conditions of the resource.
    const CONDITIONS: &'static [ConditionType];

    /// The time of the observation.
    fn now(&self) -> Timestamp;
    /// Metadata of the resource.
    fn metadata(&self) -> &ObjectMeta;
    /// Its status, if it has been looked at before.
    fn status(&self) -> Option<&Self::Status>;
    /// The conditions in a status.
    fn conditions(status: &Self::Status) -> &[Condition];
    /// What every status has.
    fn shared(status: &mut Self::Status) -> Shared<'_>;
}

/// What every status has.
pub(crate) struct Shared<'a> {
    pub(crate) observed_generation: &'a mut Option<i64>,
    pub(crate) conditions: &'a mut Vec<Condition>,
    pub(crate) state: &'a mut Option<DisplayState>,
}

/// A decision in the making.
pub(crate) struct Draft<'a, O: Planned> {
    pub(crate) observed: &'a O,
    /// The time, in whole seconds.
    pub(crate) now: Timestamp,
    pub(crate) status: O::Status,
    pub(crate) effects: Vec<Effect>,
    /// When to look again.
    next: Option<Timestamp>,
    /// What attempts that have ended still hold.
    held: Vec<String>,
}

impl<'a, O: Planned> Draft<'a, O> {
    pub(crate) fn new(observed: &'a O) -> Self {
        let mut draft = Self {
            observed,
            now: time::whole(observed.now()),
            status: observed.status().cloned().unwrap_or_default(),
            effects: Vec::new(),
            next: None,
            held: Vec::new(),
        };
        *O::shared(&mut draft.status).observed_generation = observed.metadata().generation;
        let mut conditions = draft.conditions();
        for kind in O::CONDITIONS {
            conditions.first_seen(*kind);
        }
        draft
    }

    pub(crate) fn name(&self) -> &'a str {
        self.observed.metadata().name.as_deref().unwrap_or_default()
    }

    fn conditions(&mut self) -> Conditions<'_> {
        let generation = self.observed.metadata().generation;
        Conditions::new(O::shared(&mut self.status).conditions, generation, self.now)
    }

    pub(crate) fn set(
        &mut self,
        kind: ConditionType,
        truth: Truth,
        reason: &str,
        message: impl Into<String>,
    ) {
        self.conditions().set(kind, truth, reason, message);
    }

    pub(crate) fn show_state(&mut self, state: DisplayState) {
        *O::shared(&mut self.status).state = Some(state);
    }

    /// Shows that the resource goes on.
    pub(crate) fn goes_on(&mut self, state: DisplayState, reason: &str, message: &str) {
        self.show_state(state);
        self.set(ConditionType::Progressing, Truth::True, reason, message);
        self.set(ConditionType::Succeeded, Truth::Unknown, reason, message);
        self.set(ConditionType::Failed, Truth::Unknown, reason, message);
    }

    /// Shows why not all pods of an attempt run.
    pub(crate) fn shows_start(&mut self, start: &Start) {
        self.show_state(DisplayState::Starting);
        let moves = Truth::of(start.blocked.is_none());
        let text = || start.message.clone();
        self.set(ConditionType::Progressing, moves, &start.reason, text());
        let scheduled = Truth::of(start.is_scheduled);
        let reason = if start.is_scheduled {
            "Scheduled"
        } else {
            &start.reason
        };
        self.set(ConditionType::Scheduled, scheduled, reason, text());
    }

    pub(crate) fn no_pods(&mut self) {
        let text = "no attempt runs";
        self.set(ConditionType::Scheduled, Truth::False, "NoPods", text);
    }

    /// Shows the failure for good.
    pub(crate) fn has_failed(&mut self, failure: &Failure) {
        self.show_state(DisplayState::Failed);
        let Failure {
            reason, message, ..
        } = failure;
        self.set(ConditionType::Failed, Truth::True, reason, message.clone());
        let kind = ConditionType::Succeeded;
        self.set(kind, Truth::False, reason, message.clone());
    }

    /// Shows the success.
    pub(crate) fn has_succeeded(&mut self, message: &str) {
        self.show_state(DisplayState::Succeeded);
        let reason = "Finished";
        self.set(ConditionType::Succeeded, Truth::True, reason, message);
        self.set(ConditionType::Failed, Truth::False, reason, message);
    }

    pub(crate) fn has_ended(&self) -> bool {
        let conditions = O::conditions(&self.status);
        holds(conditions, ConditionType::Succeeded) || holds(conditions, ConditionType::Failed)
    }

    pub(crate) fn take(&mut self, release: Release) {
        self.effects.extend(release.effects);
        self.held.extend(release.held);
        if let Some(next) = release.next {
            self.look_again(next);
        }
    }

    pub(crate) fn look_again(&mut self, then: Timestamp) {
        self.next = Some(self.next.map_or(then, |next| next.min(then)));
    }

    /// Deletes the resource so many seconds after its end, where `seconds` are set.
    pub(crate) fn expire(&mut self, seconds: Option<u32>, ended: Option<Timestamp>) {
        let Some(seconds) = seconds else { return };
        let expires = time::later(ended.unwrap_or(self.now), seconds.into());
        if self.now < expires {
            self.look_again(expires);
        } else if let Some(uid) = self.observed.metadata().uid.clone() {
            self.effects.push(Effect::DeleteOwner { uid });
        }
    }

    pub(crate) fn publish(&mut self, severity: Severity, reason: &'static str, note: &str) {
        let notice = Notice::new(severity, reason, note);
        self.effects.push(Effect::Publish(notice));
    }

    /// The decision. `goes_on` says in a reason and a message what has not ended; where nothing goes on and nothing is
    /// held any more, `free` says so.
    pub(crate) fn decided(
        mut self,
        goes_on: Option<(&str, String)>,
        free: &str,
    ) -> Decision<O::Status> {
        let kind = ConditionType::ResourcesReleased;
        if let Some((reason, message)) = goes_on {
            self.set(kind, Truth::False, reason, message);
        } else if self.held.is_empty() {
            self.set(kind, Truth::True, "NothingHeld", free);
        } else {
            let message = format!("waiting for {}", self.held.join(", "));
            self.set(kind, Truth::False, "PodsLeaving", message);
        }
        Decision {
            status: self.status,
            effects: self.effects,
            requeue_after: self.next.map(|next| time::until(self.now, next)),
        }
    }
}
