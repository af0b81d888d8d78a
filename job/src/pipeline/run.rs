//! Runs what a manifest asks for, and only what is not done yet.

use super::device::device;
use super::export_phase::{add_scores, export_finished, why_stale};
use super::leaderboard::Row;
use super::mirror::{Fetch, FetchKind, MirrorError, fetch, publish};
use super::needs::{self, NeedError};
use super::ranks::{Ranks, ranks_here, train_with_ranks, warn_of_missing_ranks};
use super::reports::{row, weights_digest};
use super::resolve::{Job, PlannedBenchmark, PlannedTraining};
use crate::benchmark::BenchmarkError;
use crate::checkpoint::CheckpointError;
use crate::distributed::Gang;
use crate::export::{ExportError, ExportPlan};
use crate::training::{Finished, Interrupt, Outcome, TrainingError, load_finished, train};
use splade_storage::Location;
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
    #[error(
        "{name}: stopped after step {step}, saved in {checkpoints}; the same command continues"
    )]
    Interrupted {
        /// The resource.
        name: String,
        /// Optimizer steps done.
        step: u64,
        /// Where the checkpoints are.
        checkpoints: Location,
    },
    /// A training with several ranks.
    #[error("{name}: {failure}")]
    Ranks {
        /// The resource.
        name: String,
        /// What ended the gang.
        failure: splade_launch::Failure,
    },
    /// A rank without the GPU that the manifest asks for.
    #[error(
        "{name}: rank {rank} has no GPU number {number}: {gpus} are visible here. Look at the node, \
         gang.devicesPerNode and CUDA_VISIBLE_DEVICES"
    )]
    NoGpu {
        /// The resource.
        name: String,
        /// The rank.
        rank: usize,
        /// The GPU that it should have.
        number: usize,
        /// GPUs that there are.
        gpus: i64,
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
    /// What a later phase needs is not there, which is better known before the training than after it.
    #[error(transparent)]
    Need(#[from] NeedError),
    /// What lies in object storage.
    #[error("{name}: {source}")]
    Storage {
        /// The resource.
        name: String,
        /// What happened.
        source: MirrorError,
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

/// What the phases of a manifest have made.
#[derive(Debug, Default)]
pub struct Results {
    /// Exported models, also those that were there already.
    pub models: Vec<ExportedModel>,
    /// Rows of the leaderboard.
    pub rows: Vec<Row>,
}

/// A model that is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedModel {
    /// Where it lies.
    pub uri: String,
    /// `sha256:` and the digest of its weights.
    pub digest: String,
}

/// Runs the phases of every resource in turn and returns what they made, with the gang that these ranks have joined;
/// `telemetry` tells of them.
///
/// # Errors
/// The first resource that fails; what was done before stays done.
pub fn run(
    job: &Job,
    phases: Phases,
    (ranks, gang): (&Ranks, Option<&Gang>),
    interrupt: &Interrupt,
    telemetry: &Telemetry,
) -> Result<Results, PipelineError> {
    let company = Company {
        ranks,
        gang,
        interrupt,
        progress: telemetry.progress(),
    };
    // Of several ranks, the first stores and tells for all.
    if phases.training && gang.is_none_or(Gang::is_first) {
        needs::check(&job.needs, phases)?;
    }
    let mut results = Results::default();
    for training in &job.trainings {
        let _traces = telemetry.send_traces(training.otlp_endpoint.as_deref())?;
        within(spans::run(&training.plan.name), || {
            run_training(training, phases, company, &mut results)
        })?;
    }
    if phases.benchmark {
        let _traces = telemetry.send_traces(None)?;
        for benchmark in &job.benchmarks {
            results.rows.push(run_one(benchmark, company.progress)?);
        }
    }
    Ok(results)
}

/// Who else takes part in a training.
#[derive(Clone, Copy)]
struct Company<'a> {
    ranks: &'a Ranks,
    /// The other ranks, where this process is one of several.
    gang: Option<&'a Gang>,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
}

fn run_training(
    training: &PlannedTraining,
    phases: Phases,
    company: Company,
    results: &mut Results,
) -> Result<(), PipelineError> {
    let name = || training.plan.name.clone();
    let stored = |source| PipelineError::Storage {
        name: name(),
        source,
    };
    if (phases.export || phases.benchmark)
        && let Some(published) = &training.publish
    {
        let earlier = Fetch {
            field: "spec.export.uri".to_owned(),
            uri: published.to_string(),
            kind: FetchKind::FolderIfPresent,
        };
        fetch(&[earlier]).map_err(stored)?;
    }
    if phases.training || phases.export {
        // What ranks need their launcher has fetched.
        if company.gang.is_none() {
            fetch(&training.fetches).map_err(stored)?;
        }
        let finished = finish(training, phases, company)?;
        if phases.export
            && let (Some(export), Some(finished)) = (&training.export, &finished)
        {
            company.progress.enter(Phase::Exporting);
            export_finished(&training.plan, export, finished)?;
            publish_export(training, export)?;
            results.models.push(exported(training, export)?);
        }
        if company.interrupt.is_requested() {
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
            run_benchmarks(training, export, company.progress, &mut results.rows)
        }
        _ => Ok(()),
    }
}

/// The trained model: by training where that is asked for, else from the checkpoint of a training that is over. Of
/// several ranks, only the first has it.
fn finish(
    training: &PlannedTraining,
    phases: Phases,
    company: Company,
) -> Result<Option<Finished>, PipelineError> {
    let plan = &training.plan;
    let name = || plan.name.clone();
    let failed = |source| PipelineError::Training {
        name: name(),
        source,
    };
    let here = || device(training.wants_gpu, 0, &plan.name);
    let solo = || Gang::solo(here());
    let over = || load_finished(plan, here()).map_err(failed);
    if !phases.training {
        return over()?.map(Some).ok_or_else(|| PipelineError::NotTrained {
            name: name(),
            reason: "the training is not over; `splade-job train` finishes it",
        });
    }
    let outcome = match (company.gang, company.ranks) {
        (Some(gang), _) => train(plan, gang, company.interrupt, company.progress),
        (None, Ranks::Start { file }) => {
            let ranks = ranks_here(training);
            warn_of_missing_ranks(training, ranks);
            if ranks > 1 {
                train_with_ranks(training, ranks, file, company.interrupt)?;
                return over()?.map(Some).ok_or_else(|| PipelineError::NotTrained {
                    name: name(),
                    reason: "its ranks have left before the end",
                });
            }
            train(plan, &solo(), company.interrupt, company.progress)
        }
        (None, Ranks::One(_)) => train(plan, &solo(), company.interrupt, company.progress),
    };
    match outcome.map_err(failed)? {
        Outcome::Finished(finished) => Ok(finished.map(|finished| *finished)),
        Outcome::Interrupted { step, checkpoints } => Err(PipelineError::Interrupted {
            name: name(),
            step,
            checkpoints,
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
    add_scores(&training.plan, export, scores)?;
    publish_export(training, export)
}

fn exported(
    training: &PlannedTraining,
    export: &ExportPlan,
) -> Result<ExportedModel, PipelineError> {
    Ok(ExportedModel {
        uri: match &training.publish {
            Some(location) => location.to_string(),
            None => export.folder.display().to_string(),
        },
        digest: weights_digest(&export.folder)?,
    })
}

/// Takes the export to object storage, where the manifest wants it there.
fn publish_export(training: &PlannedTraining, export: &ExportPlan) -> Result<(), PipelineError> {
    let Some(location) = &training.publish else {
        return Ok(());
    };
    publish(&export.folder, location).map_err(|source| PipelineError::Storage {
        name: training.plan.name.clone(),
        source,
    })
}

fn run_one(benchmark: &PlannedBenchmark, progress: &Progress) -> Result<Row, PipelineError> {
    progress.enter(Phase::Benchmarking);
    fetch(&benchmark.fetches).map_err(|source| PipelineError::Storage {
        name: benchmark.name.clone(),
        source,
    })?;
    row(benchmark)
}
