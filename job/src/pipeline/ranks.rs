//! Who trains: this process alone, this process as one of several ranks, or ranks that are started here.

use super::resolve::{Job, PlannedTraining};
use super::run::PipelineError;
use crate::distributed::{Gang, World};
use crate::training::Interrupt;
use splade_launch::{Flags, Limits, Shape, launch};
use splade_telemetry::{TRACEPARENT, spans};
use std::path::{Path, PathBuf};
use std::process::Command;
use tch::{Cuda, Device};

/// Who trains.
#[derive(Clone, Debug)]
pub enum Ranks {
    /// As many as the manifest asks for and this machine has devices; where they are several, each is a process that
    /// reads this manifest.
    Start {
        /// The manifest.
        file: PathBuf,
    },
    /// This process is one of them.
    One(World),
}

impl Ranks {
    /// Meets the other ranks; None where there are none to meet. One gang trains all trainings of a file.
    ///
    /// # Errors
    /// Ranks that do not come, or a rank without its GPU.
    pub fn join(&self, trainings: &[PlannedTraining]) -> Result<Option<Gang>, PipelineError> {
        let (Self::One(world), Some(first)) = (self, trainings.first()) else {
            return Ok(None);
        };
        let gpus = Cuda::device_count();
        let device = match i64::try_from(world.local_rank) {
            _ if !first.wants_gpu => Device::Cpu,
            Ok(number) if number < gpus => Device::Cuda(world.local_rank),
            // The others would wait for it in vain, or all would crawl.
            _ => {
                return Err(PipelineError::NoGpu {
                    name: first.plan.name.clone(),
                    rank: world.rank,
                    number: world.local_rank,
                    gpus,
                });
            }
        };
        let gang = Gang::join(world, device, first.plan.surroundings.gang_timeout);
        gang.map(Some).map_err(|source| PipelineError::Training {
            name: first.plan.name.clone(),
            source: source.into(),
        })
    }
}

/// Whether some training of the job runs in processes of its own.
pub fn starts_ranks(job: &Job, ranks: &Ranks) -> bool {
    matches!(ranks, Ranks::Start { .. })
        && job
            .trainings
            .iter()
            .any(|training| ranks_here(training) > 1)
}

/// How many ranks of a training this machine runs: on CPUs all of them, on GPUs one each.
pub(super) fn ranks_here(training: &PlannedTraining) -> u32 {
    if !training.wants_gpu {
        return training.ranks;
    }
    let gpus = u32::try_from(Cuda::device_count()).unwrap_or(0).max(1);
    gpus.min(training.ranks)
}

/// Says that this machine runs fewer ranks than the manifest describes, if so.
pub(super) fn warn_of_missing_ranks(training: &PlannedTraining, here: u32) {
    if here < training.ranks {
        tracing::warn!(
            "{}: the manifest describes {} ranks, this machine runs {here}: the batch of a step is that much smaller",
            training.plan.name,
            training.ranks
        );
    }
}

/// Trains with ranks in processes of their own, until all are done.
pub(super) fn train_with_ranks(
    training: &PlannedTraining,
    ranks: u32,
    file: &Path,
    interrupt: &Interrupt,
) -> Result<(), PipelineError> {
    let name = &training.plan.name;
    let cannot_start = |reason: String| PipelineError::Ranks {
        name: name.clone(),
        failure: splade_launch::Failure::new(splade_launch::ExitClass::Software, reason),
    };
    let shape = Shape {
        nodes: 1,
        ranks_per_node: ranks,
    };
    let gang = splade_launch::Gang::resolve(&Flags::default(), |_| None, shape)
        .map_err(|error| cannot_start(error.to_string()))?;
    let program = std::env::current_exe().map_err(|error| cannot_start(error.to_string()))?;
    let settings = &training.plan.surroundings;
    let limits = Limits::new(settings.stall_timeout, training.termination_timeout);
    // The launcher passes signals on to the ranks, which save.
    let _answering = interrupt.answering();
    let conclusion = launch(&gang, &limits, |_| {
        let mut command = Command::new(&program);
        command.arg("train").arg("--file").arg(file);
        command.arg("--training").arg(name);
        command.envs(spans::traceparent().map(|context| (TRACEPARENT, context)));
        command
    });
    match conclusion.failure {
        None => Ok(()),
        Some(failure) => Err(PipelineError::Ranks {
            name: name.clone(),
            failure,
        }),
    }
}
