//! Where a run stands, shared between the training, which writes, and whoever asks.

mod report;

pub use report::{ActiveDimensions, CheckpointRecord, EvaluationRecord, Phase, ProgressReport};

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where a run stands. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    report: ProgressReport,
    stall_after: Option<Duration>,
    last_sign_of_life: Instant,
    /// Wall-clock time of the last optimizer step of this process.
    last_step: Option<Timestamp>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            report: ProgressReport::default(),
            stall_after: None,
            last_sign_of_life: Instant::now(),
            last_step: None,
        }
    }
}

impl State {
    /// The time without a sign of life, where that is longer than it may be.
    fn stalled_after(&self, still: Duration) -> Option<Duration> {
        let limit = self.stall_after?;
        (self.report.phase.is_stepping() && still > limit).then_some(still)
    }
}

/// A training that begins or continues.
#[derive(Clone, Debug)]
pub struct TrainingStart {
    /// Name of the resource.
    pub name: String,
    /// Start of the training, from 1.
    pub attempt: u32,
    /// Ranks that train together.
    pub world_size: u32,
    /// The checkpoint that it continues from.
    pub resumed_from: Option<String>,
    /// Optimizer steps done by earlier attempts.
    pub step: u64,
    /// Optimizer steps of the whole training.
    pub total_steps: u64,
    /// Without a step for so long the training counts as stalled.
    pub stall_after: Option<Duration>,
}

/// What the steps since the last report measured. Values that are not finite are left out.
#[derive(Clone, Debug, Default)]
pub struct StepReport {
    /// Optimizer steps done.
    pub step: u64,
    /// Current pass over the data, from 0.
    pub epoch: u64,
    /// Mean loss.
    pub loss: f64,
    /// Other measures by name.
    pub measures: BTreeMap<String, f64>,
    /// Mean number of non-zero weights.
    pub active_dimensions: Option<ActiveDimensions>,
    /// Training examples a second, all ranks together.
    pub triplets_per_second: f64,
    /// Real tokens a second, all ranks together.
    pub tokens_per_second: f64,
    /// Model FLOP utilisation, from 0 to 1.
    pub mfu: f64,
    /// Seconds to the end at this pace.
    pub eta_seconds: u64,
}

impl Progress {
    /// Starts over with a training.
    pub fn begin(&self, training: TrainingStart) {
        let mut state = self.state();
        state.stall_after = training.stall_after;
        state.last_step = None;
        state.report = ProgressReport {
            name: training.name,
            phase: Phase::Preparing,
            attempt: training.attempt,
            world_size: training.world_size,
            resumed_from: training.resumed_from,
            step: training.step,
            total_steps: training.total_steps,
            ..ProgressReport::default()
        };
        state.last_sign_of_life = Instant::now();
    }

    /// Another phase begins.
    pub fn enter(&self, phase: Phase) {
        let mut state = self.state();
        state.report.phase = phase;
        state.last_sign_of_life = Instant::now();
    }

    /// Long work goes on: a sign of life between two steps, such as a batch of an evaluation.
    pub fn beat(&self) {
        self.state().last_sign_of_life = Instant::now();
    }

    /// An optimizer step is done; `step` are done in all.
    pub fn advance(&self, step: u64) {
        let mut state = self.state();
        state.report.step = step;
        state.last_step = Some(Timestamp::now());
        state.last_sign_of_life = Instant::now();
    }

    /// What the last steps measured.
    pub fn report(&self, line: StepReport) {
        let now = Timestamp::now();
        let finite = |value: f64| value.is_finite().then_some(value);
        let left = i64::try_from(line.eta_seconds).unwrap_or(i64::MAX);
        let mut state = self.state();
        let report = &mut state.report;
        report.step = line.step;
        report.epoch = line.epoch;
        report.loss = finite(line.loss);
        report.measures = line.measures;
        report.measures.retain(|_, value| value.is_finite());
        // JSON knows no NaN: one would make the whole report unreadable.
        report.active_dimensions = line
            .active_dimensions
            .filter(|mean| mean.query.is_finite() && mean.document.is_finite());
        report.triplets_per_second = finite(line.triplets_per_second);
        report.tokens_per_second = finite(line.tokens_per_second);
        report.mfu = finite(line.mfu);
        report.eta_seconds = Some(line.eta_seconds);
        // A pace that would end beyond the calendar promises nothing.
        report.estimated_completion_time = now.checked_add(SignedDuration::from_secs(left)).ok();
        report.last_reported = Some(now);
    }

    /// A checkpoint is complete.
    pub fn checkpoint(&self, uri: String, step: u64) {
        let record = CheckpointRecord {
            uri,
            step,
            time: Timestamp::now(),
        };
        let mut state = self.state();
        state.report.checkpoint = Some(record);
        state.last_sign_of_life = Instant::now();
    }

    /// An evaluation is done.
    pub fn evaluation(&self, evaluation: EvaluationRecord) {
        let mut state = self.state();
        state.report.evaluation = Some(evaluation);
        state.last_sign_of_life = Instant::now();
    }

    /// Where the run stands now.
    pub fn snapshot(&self) -> ProgressReport {
        self.state().report.clone()
    }

    /// For how long no step has been done, where that is longer than it may be.
    pub fn stalled_for(&self) -> Option<Duration> {
        let state = self.state();
        state.stalled_after(state.last_sign_of_life.elapsed())
    }

    /// When this process did its last optimizer step.
    pub(crate) fn last_step(&self) -> Option<Timestamp> {
        self.state().last_step
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every write leaves the state whole, so one that panicked elsewhere does not matter.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(stall_after: Option<Duration>) -> Progress {
        let progress = Progress::default();
        progress.begin(TrainingStart {
            name: "small".to_owned(),
            attempt: 1,
            world_size: 1,
            resumed_from: None,
            step: 0,
            total_steps: 10,
            stall_after,
        });
        progress.enter(Phase::Training);
        progress
    }

    #[test]
    fn a_run_without_a_limit_never_stalls() {
        assert_eq!(training(None).state().stalled_after(Duration::MAX), None);
    }

    #[test]
    fn a_run_stalls_past_its_limit_and_only_where_steps_are_due() {
        let limit = Duration::from_secs(30);
        let progress = training(Some(limit));
        let longer = limit + Duration::from_nanos(1);
        assert_eq!(progress.state().stalled_after(limit), None);
        assert_eq!(progress.state().stalled_after(longer), Some(longer));
        progress.enter(Phase::Exporting);
        assert_eq!(progress.state().stalled_after(Duration::MAX), None);
    }

    #[test]
    fn what_is_not_a_number_is_left_out() {
        let progress = training(None);
        progress.report(StepReport {
            loss: f64::NAN,
            active_dimensions: Some(ActiveDimensions {
                query: f64::NAN,
                document: 100.0,
            }),
            mfu: f64::INFINITY,
            tokens_per_second: 100.0,
            ..StepReport::default()
        });
        let report = progress.snapshot();
        let sent = serde_json::to_string(&report).unwrap();
        let read: ProgressReport = serde_json::from_str(&sent).unwrap();
        assert_eq!(read, report);
        assert_eq!((read.loss, read.mfu), (None, None));
        assert_eq!(read.active_dimensions, None);
        assert_eq!(read.tokens_per_second, Some(100.0));
    }
}
