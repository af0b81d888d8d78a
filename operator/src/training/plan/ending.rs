//! The end of a training, and what comes after it.

use super::draft::Draft;
use crate::attempts::Keep;
use crate::conditions::Truth;
use crate::effect::Severity;
use crate::labels::Component;
use crate::pods::Failure;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use splade_crds::ConditionType;
use splade_crds::training::{AttemptCause, AttemptStatus};

impl Draft<'_> {
    /// The training has failed for good.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.has_failed(failure);
        let text = &failure.message;
        let message = format!("ended: {text}");
        self.set(ConditionType::Progressing, Truth::True, "Finished", message);
        let note = format!("{text} ({})", failure.reason);
        self.publish(Severity::Warning, "Failed", &note);
        self.end();
    }

    /// The training has succeeded.
    pub(super) fn succeed(&mut self) {
        let text = "everything that was asked for is done";
        self.has_succeeded(text);
        self.set(ConditionType::Progressing, Truth::True, "Finished", text);
        self.publish(Severity::Normal, "Succeeded", text);
        self.end();
    }

    fn end(&mut self) {
        self.no_pods();
        self.set(
            ConditionType::Suspended,
            Truth::False,
            "Finished",
            "the training has ended",
        );
        self.status.completion_time = Some(Time(self.now));
        self.expire_after_end();
        self.free_after_end();
    }

    /// Frees what is held, and deletes the training when its time has come.
    pub(super) fn after_the_end(&mut self) {
        self.free_after_end();
        self.expire_after_end();
    }

    fn free_after_end(&mut self) {
        let exported = self.status.export.as_ref().map(|export| &export.attempt);
        for (component, last) in [
            (Component::Training, self.last_attempt().cloned()),
            (Component::Export, exported.cloned()),
        ] {
            let keep = last.as_ref().map_or(Keep::Nothing, kept);
            let release = self.attempts(component).release(keep, self.now);
            self.take(release);
        }
    }

    fn expire_after_end(&mut self) {
        let ttl = self.spec().run_policy.ttl_seconds_after_finished;
        let ended = self.status.completion_time.as_ref().map(|time| time.0);
        self.expire(ttl, ended);
    }
}

/// What stays of the last attempt after the end: one that did its work with everything, one that failed for its logs.
pub(super) fn kept(last: &AttemptStatus) -> Keep {
    match (last.cause, &last.end_time) {
        (Some(AttemptCause::Completed), _) => Keep::Attempt(last.number),
        (Some(AttemptCause::Suspended) | None, _) | (_, None) => Keep::Nothing,
        (Some(_), Some(ended)) => Keep::Ended(last.number, ended.0),
    }
}
