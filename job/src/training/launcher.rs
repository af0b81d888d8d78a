//! What a rank tells the launcher that started it, if one did.

use splade_launch::{Phase, Reporter};

/// The launcher, or nobody.
#[derive(Debug)]
pub(super) struct Launcher(Option<Reporter>);

impl Launcher {
    pub(super) fn from_env() -> Self {
        Self(Reporter::from_env())
    }

    /// Where the run is. To be told at every step: a launcher takes silence for a stall.
    pub(super) fn tell(&self, phase: Phase, step: u64, total_steps: u64) {
        if let Some(reporter) = &self.0 {
            reporter.update(|report| {
                report.phase = phase;
                report.step = step;
                report.total_steps = Some(total_steps);
            });
        }
    }

    /// The newest complete checkpoint.
    pub(super) fn tell_checkpoint(&self, place: String) {
        if let Some(reporter) = &self.0 {
            reporter.update(|report| report.checkpoint = Some(place));
        }
    }

    /// The checkpoint that this start continues from.
    pub(super) fn tell_resumed(&self, place: &str) {
        if let Some(reporter) = &self.0 {
            reporter.update(|report| report.resumed_from = Some(place.to_owned()));
        }
    }

    /// All is done, and this is the model.
    pub(super) fn tell_finished(&self, weights_sha256: &str) {
        if let Some(reporter) = &self.0 {
            reporter.update(|report| {
                report.phase = Phase::Finished;
                report.model_digest = Some(format!("sha256:{weights_sha256}"));
            });
        }
    }
}
