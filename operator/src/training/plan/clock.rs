//! The clock of runPolicy.activeDeadlineSeconds. It stands still while the training is suspended or queued.

use super::draft::Draft;
use crate::attempts::active_seconds;
use crate::pods::Failure;
use crate::time::{later, seconds_between};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use splade_crds::training::AttemptCause;

impl Draft<'_> {
    /// The failure of a training that has taken too long.
    pub(super) fn deadline_failure(&self) -> Option<Failure> {
        let left = self.seconds_left()?;
        let limit = self.spec().run_policy.active_deadline_seconds?;
        (left == 0).then(|| {
            let text = format!("not done after {limit} s (runPolicy.activeDeadlineSeconds)");
            Failure::new(AttemptCause::Deadline, "DeadlineExceeded", text)
        })
    }

    /// Starts or stops the clock.
    pub(super) fn run_clock(&mut self, pause: bool) {
        if self.status.start_time.is_none() {
            return;
        }
        match (&self.status.paused_time, pause) {
            (None, true) => self.status.paused_time = Some(Time(self.now)),
            (Some(since), false) => {
                self.status.paused_seconds += seconds_between(since.0, self.now);
                self.status.paused_time = None;
            }
            (Some(_), true) | (None, false) => {}
        }
        if !pause && let Some(left) = self.seconds_left() {
            self.look_again(later(self.now, left));
        }
    }

    fn seconds_left(&self) -> Option<u64> {
        let limit = self.spec().run_policy.active_deadline_seconds?;
        let start = self.status.start_time.as_ref()?.0;
        let paused = self.status.paused_time.as_ref().map(|time| time.0);
        let active = active_seconds(start, paused, self.status.paused_seconds, self.now);
        Some(u64::from(limit).saturating_sub(active))
    }
}
