//! How long things may take.

use crate::pods::{Blocked, Failure, Gang, Start};
use crate::time::{later, seconds_between};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use splade_crds::training::{AttemptCause, AttemptStatus};

/// Seconds that a pod may be blocked by something that may pass: a registry that is away, a Secret that is about to
/// be created.
const BLOCKED_SECONDS: u64 = 300;

/// How long an attempt may take to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartLimits {
    /// Seconds until all its pods have to run.
    pub deadline_seconds: u32,
}

impl StartLimits {
    /// Remembers since when a pod is blocked.
    pub fn note(self, record: &mut AttemptStatus, start: &Start, now: Timestamp) {
        match &start.blocked {
            Some(_) if record.blocked_time.is_none() => record.blocked_time = Some(Time(now)),
            Some(_) => {}
            None => record.blocked_time = None,
        }
    }

    /// The failure of an attempt that has taken too long, or can never start.
    pub fn failure(
        self,
        gang: &Gang<'_>,
        record: &AttemptStatus,
        start: &Start,
        now: Timestamp,
    ) -> Option<Failure> {
        if let Some(blocked) = &start.blocked
            && (blocked.is_final || now >= self.blocked_until(gang, record))
        {
            return Some(blocked_failure(blocked));
        }
        if now < self.deadline(gang, record)? {
            return None;
        }
        let seconds = self.deadline_seconds;
        let text = format!(
            "not all pods ran after {seconds} s: {} ({})",
            start.message, start.reason
        );
        let reason = if start.is_scheduled {
            "StartupDeadlineExceeded"
        } else {
            "Unschedulable"
        };
        Some(Failure::infrastructure(reason, text))
    }

    /// When to look again at an attempt that starts.
    pub fn next(self, gang: &Gang<'_>, record: &AttemptStatus) -> Option<Timestamp> {
        if record.blocked_time.is_some() {
            Some(self.blocked_until(gang, record))
        } else {
            self.deadline(gang, record)
        }
    }

    /// Counts from when Kubernetes began to make pods: a queue may hold the Job back for long, and again. There is none
    /// before that, which is a moment after the queue let the Job go.
    fn deadline(self, gang: &Gang<'_>, record: &AttemptStatus) -> Option<Timestamp> {
        let begun = gang.begun()?.max(record.start_time.0);
        Some(later(begun, self.deadline_seconds.into()))
    }

    fn blocked_until(self, gang: &Gang<'_>, record: &AttemptStatus) -> Timestamp {
        let since = record
            .blocked_time
            .as_ref()
            .map_or(record.start_time.0, |time| time.0);
        let until = later(since, BLOCKED_SECONDS);
        self.deadline(gang, record)
            .map_or(until, |deadline| until.min(deadline))
    }
}

fn blocked_failure(blocked: &Blocked) -> Failure {
    let mut failure = Failure::new(
        AttemptCause::Configuration,
        &blocked.reason,
        blocked.message.clone(),
    );
    failure.pod = Some(blocked.pod.clone());
    failure.node = blocked.node.clone();
    failure.container = Some(crate::names::CONTAINER.into());
    failure
}

/// Seconds that a clock has run which stood still for `paused_seconds`, and stands still since `paused`.
pub fn active_seconds(
    start: Timestamp,
    paused: Option<Timestamp>,
    paused_seconds: u64,
    now: Timestamp,
) -> u64 {
    let end = paused.unwrap_or(now);
    seconds_between(start, end).saturating_sub(paused_seconds)
}
