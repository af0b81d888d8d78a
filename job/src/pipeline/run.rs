//! Runs what a manifest asks for, and only what is not done yet.

use super::device::device;
use super::export_phase::{add_scores, export_finished, why_stale};
use super::leaderboard::Row;
use super::reports::report;
use super::resolve::{Job, PlannedBenchmark, PlannedTraining};
use crate::benchmark::BenchmarkError;
use crate::checkpoint::CheckpointError;
use crate::export::{ExportError, ExportPlan};
use crate::training::{Finished, Interrupt, Outcome, TrainingError, load_finished, train};
use splade_telemetry::spans::{self, within};
use splade_telemetry::{Phase, Progress, Telemetry, TraceError};
use std::path::{Path, PathBuf};

/// Which phases run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Train. Without it, trainings must be over.
    pub training: bool,
    /// Export.
    pub export: bool,
    /// Benchmark.
    pub benchmark: bool,
}

/// A pipeline that stops early.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A training.
    #[error("{name}: {source}")]
    Training {
        /// The resource.
        name: String,
        /// What happened.
        source: TrainingError,
    },
    /// A training was stopped from outside, after saving.
    #[error("{name}: stopped after step {step}, saved in {checkpoint}; the same command continues", checkpoint = checkpoint.display())]
    Interrupted {
        /// The resource.
        name: String,
        /// Optimizer steps done.
        step: u64,
        /// The checkpoint.
        checkpoint: PathBuf,
    },
    /// Stopped from outside between two phases.
    #[error("{name}: stopped; what is done is kept, and the same command continues")]
    Stopped {
        /// The resource.
        name: String,
    },
    /// A later phase was asked for, but what it builds on is not there.
    #[error("{name}: {reason}")]
    NotTrained {
        /// The resource.
        name: String,
        /// What is missing, and how to get it.
        reason: &'static str,
    },
    /// A benchmark.
    #[error("{name}: {source}")]
    Benchmark {
        /// The resource.
        name: String,
        /// What happened.
        source: BenchmarkError,
    },
    /// An export.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A checkpoint or manifest.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Traces cannot be sent as the manifest or the environment asks.
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// A report cannot be written or read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A report cannot be serialised.
    #[error("{path}: {source}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl PipelineError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Runs the phases of every resource in turn and returns the leaderboard's rows; `telemetry` tells of them.
///
/// # Errors
/// The first resource that fails; what was done before stays done.
pub fn run(
    job: &Job,
    phases: Phases,
    interrupt: &Interrupt,
    telemetry: &Telemetry,
) -> Result<Vec<Row>, PipelineError> {
    let progress = telemetry.progress();
    let mut rows = Vec::new();
    for training in &job.trainings {
        let _traces = telemetry.send_traces(training.otlp_endpoint.as_deref())?;
        within(spans::run(&training.plan.name), || {
            run_training(training, phases, interrupt, progress, &mut rows)
        })?;
    }
    if phases.benchmark {
        let _traces = telemetry.send_traces(None)?;
        for benchmark in &job.benchmarks {
            rows.push(run_one(benchmark, progress)?);
        }
    }
    Ok(rows)
}

fn run_training(
    training: &PlannedTraining,
    phases: Phases,
    interrupt: &Interrupt,
    progress: &Progress,
    rows: &mut Vec<Row>,
) -> Result<(), PipelineError> {
    let name = || training.plan.name.clone();
    if phases.training || phases.export {
        let finished = finish(training, phases, interrupt, progress)?;
        if phases.export
            && let Some(export) = &training.export
        {
            progress.enter(Phase::Exporting);
            export_finished(&training.plan, export, &finished)?;
        }
        if interrupt.is_requested() {
            return Err(PipelineError::Stopped { name: name() });
        }
    }
    match &training.export {
        Some(export) if phases.benchmark => {
            if let Some(reason) = why_stale(&training.plan, export)? {
                return Err(PipelineError::NotTrained {
                    name: name(),
                    reason,
                });
            }
            run_benchmarks(training, export, progress, rows)
        }
        _ => Ok(()),
    }
}

/// The trained model: by training where that is asked for, else from the checkpoint of a training that is over.
fn finish(
    training: &PlannedTraining,
    phases: Phases,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Finished, PipelineError> {
    let plan = &training.plan;
    let name = || plan.name.clone();
    let failed = |source| PipelineError::Training {
        name: name(),
        source,
    };
    let device = device(training.wants_gpu, &plan.name);
    if !phases.training {
        return load_finished(plan, device).map_err(failed)?.ok_or_else(|| {
            PipelineError::NotTrained {
                name: name(),
                reason: "the training is not over; `splade-job train` finishes it",
            }
        });
    }
    if training.ranks > 1 {
        tracing::warn!(
            "{}: the manifest describes {ranks} ranks, this process is one: the batch is {ranks} times smaller",
            plan.name,
            ranks = training.ranks
        );
    }
    match train(plan, device, interrupt, progress).map_err(failed)? {
        Outcome::Finished(finished) => Ok(*finished),
        Outcome::Interrupted { step, checkpoint } => Err(PipelineError::Interrupted {
            name: name(),
            step,
            checkpoint,
        }),
    }
}

fn run_benchmarks(
    training: &PlannedTraining,
    export: &ExportPlan,
    progress: &Progress,
    rows: &mut Vec<Row>,
) -> Result<(), PipelineError> {
    let before = rows.len();
    for benchmark in &training.benchmarks {
        rows.push(run_one(benchmark, progress)?);
    }
    let scores = rows[before..]
        .iter()
        .map(|row| row.report.clone())
        .collect();
    add_scores(&training.plan, export, scores)
}

fn run_one(benchmark: &PlannedBenchmark, progress: &Progress) -> Result<Row, PipelineError> {
    progress.enter(Phase::Benchmarking);
    Ok(Row {
        name: benchmark.name.clone(),
        report: report(benchmark)?,
    })
}
