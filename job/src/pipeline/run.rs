//! Runs what a manifest asks for, and only what is not done yet.

use super::export_phase::{add_scores, export_finished};
use super::leaderboard::Row;
use super::reports::report;
use super::resolve::{Job, PlannedBenchmark, PlannedTraining};
use crate::benchmark::BenchmarkError;
use crate::checkpoint::{CheckpointError, CheckpointStore};
use crate::export::ExportError;
use crate::training::{Interrupt, Outcome, TrainingError, TrainingState, train};
use std::path::{Path, PathBuf};
use tch::Device;

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
    /// A later phase was asked for, but the training is not over.
    #[error("{name}: the training is not over; `splade-job train` finishes it")]
    NotTrained {
        /// The resource.
        name: String,
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

/// Runs the phases of every resource in turn and returns the leaderboard's rows.
///
/// # Errors
/// The first resource that fails; what was done before stays done.
pub fn run(job: &Job, phases: Phases, interrupt: &Interrupt) -> Result<Vec<Row>, PipelineError> {
    let mut rows = Vec::new();
    for training in &job.trainings {
        run_training(training, phases, interrupt, &mut rows)?;
    }
    if phases.benchmark {
        for benchmark in &job.benchmarks {
            rows.push(run_one(benchmark)?);
        }
    }
    Ok(rows)
}

fn run_training(
    training: &PlannedTraining,
    phases: Phases,
    interrupt: &Interrupt,
    rows: &mut Vec<Row>,
) -> Result<(), PipelineError> {
    let plan = &training.plan;
    let name = || plan.name.clone();
    if phases.training || phases.export {
        if !phases.training && !is_over(training)? {
            return Err(PipelineError::NotTrained { name: name() });
        }
        if training.ranks > 1 {
            tracing::warn!(
                "{}: the manifest describes {} ranks, this process is one: the batch is {} times smaller",
                plan.name,
                training.ranks,
                training.ranks
            );
        }
        let device = if training.wants_gpu {
            Device::cuda_if_available()
        } else {
            Device::Cpu
        };
        let finished =
            match train(plan, device, interrupt).map_err(|source| PipelineError::Training {
                name: name(),
                source,
            })? {
                Outcome::Finished(finished) => finished,
                Outcome::Interrupted { step, checkpoint } => {
                    return Err(PipelineError::Interrupted {
                        name: name(),
                        step,
                        checkpoint,
                    });
                }
            };
        if phases.export
            && let Some(export) = &training.export
        {
            export_finished(plan, export, &finished)?;
        }
    }
    if phases.benchmark {
        let before = rows.len();
        for benchmark in &training.benchmarks {
            rows.push(run_one(benchmark)?);
        }
        if let Some(export) = &training.export {
            let scores = rows[before..]
                .iter()
                .map(|row| row.report.clone())
                .collect();
            add_scores(plan, export, scores)?;
        }
    }
    Ok(())
}

fn is_over(training: &PlannedTraining) -> Result<bool, PipelineError> {
    let newest = CheckpointStore::new(&training.plan.surroundings.checkpoints).newest()?;
    match newest {
        Some(checkpoint) => Ok(checkpoint.state::<TrainingState>()?.is_finished()),
        None => Ok(false),
    }
}

fn run_one(benchmark: &PlannedBenchmark) -> Result<Row, PipelineError> {
    Ok(Row {
        name: benchmark.name.clone(),
        report: report(benchmark)?,
    })
}
