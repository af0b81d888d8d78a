//! How often, and after which pause, an attempt follows another.

use splade_crds::training::{AttemptCause, BackoffSpec, RestartCounts};

/// How often an attempt may follow one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// After failures of the program.
    pub application: u32,
    /// After failures of the infrastructure.
    pub infrastructure: u32,
}

impl Budget {
    /// Counts a restart after a failure of this cause, unless the budget is spent or such failures are not tried
    /// again. Tells whether there is a restart.
    pub fn spend(self, counts: &mut RestartCounts, cause: AttemptCause) -> bool {
        let (count, most) = match cause {
            AttemptCause::Application => (&mut counts.application, self.application),
            AttemptCause::Infrastructure => (&mut counts.infrastructure, self.infrastructure),
            AttemptCause::Completed
            | AttemptCause::Configuration
            | AttemptCause::Data
            | AttemptCause::Suspended
            | AttemptCause::Deadline => return false,
        };
        let may = *count < most;
        *count += u32::from(may);
        may
    }
}

/// Seconds before the attempt that follows so many failures in a row.
pub fn pause_seconds(backoff: &BackoffSpec, in_row: u32) -> u64 {
    let doubled = u64::from(backoff.initial_seconds) << in_row.saturating_sub(1).min(32);
    doubled.min(backoff.max_seconds.into())
}
