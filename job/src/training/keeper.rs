//! What rank 0 does for all: it keeps the logs and the checkpoints.

use super::error::TrainingError;
use super::evaluation::Standing;
use super::exchange::StepReport;
use super::launcher::Launcher;
use super::loss::FlopsWeights;
use super::plan::TensorBoard;
use super::prepare::Run;
use super::report::{Extent, Reporter};
use super::throughput::measured_peak;
use crate::checkpoint::{Companion, Patience, Saver, Snapshot, Start, open_hasty};
use splade_launch::Phase;
use splade_retrieval::{Metric, Metrics};
use splade_telemetry::{EvaluationRecord, Progress, TrainingStart};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The logs and checkpoints of a training under way. Ranks other than 0 keep none, but tell their launcher where
/// they are as rank 0 does.
pub(super) struct Keeper {
    attempt: u32,
    total_steps: u64,
    launcher: Launcher,
    progress: Progress,
    books: Option<Books>,
}

struct Books {
    saver: Saver,
    reporter: Reporter,
    logs: PathBuf,
    last_saved: Instant,
    every: Option<Duration>,
    /// Step of the checkpoint that the launcher knows of.
    told: Option<u64>,
}

impl Books {
    fn open(run: &Run, progress: &Progress) -> Result<Self, TrainingError> {
        let settings = &run.plan.surroundings;
        let start = if settings.resume {
            Start::Continued
        } else {
            Start::Fresh
        };
        let mut attempt = run.store.begin_attempt(settings.keep_last, start)?;
        if let Some(TensorBoard {
            folder,
            publish: Some(location),
        }) = &settings.tensorboard
        {
            attempt.accompany(Companion {
                folder: folder.clone(),
                storage: open_hasty(location)?,
                prefix: String::new(),
            });
        }
        let extent = Extent {
            done: run.step,
            total_steps: run.course.total_steps,
            steps_per_epoch: run.course.steps_per_epoch(),
        };
        progress.begin(start_of(run, attempt.number()));
        let logs = attempt.logs().to_owned();
        let peak = measured_peak(run.model.device(), run.plan.recipe.optimizer.precision);
        let reporter = Reporter::open(
            &logs,
            settings
                .tensorboard
                .as_ref()
                .map(|board| board.folder.as_path()),
            &run.plan.recipe.loss,
            settings.log_every,
            extent,
            peak * run.gang.size() as f64,
            progress,
        )
        .map_err(|source| TrainingError::Log {
            path: logs.clone(),
            source,
        })?;
        Ok(Self {
            saver: Saver::start(attempt, Patience::new(settings.storage_timeout))?,
            reporter,
            logs,
            last_saved: Instant::now(),
            told: None,
            every: settings
                .every_minutes
                .map(|minutes| Duration::from_secs(60 * minutes)),
        })
    }

    fn logged<T>(&self, result: std::io::Result<T>) -> Result<T, TrainingError> {
        result.map_err(|source| TrainingError::Log {
            path: self.logs.clone(),
            source,
        })
    }
}

fn start_of(run: &Run, attempt: u32) -> TrainingStart {
    TrainingStart {
        name: run.plan.name.clone(),
        attempt,
        world_size: u32::try_from(run.gang.size()).unwrap_or(u32::MAX),
        resumed_from: run.resumed_from.clone(),
        step: run.step,
        total_steps: run.course.total_steps,
        stall_after: Some(run.plan.surroundings.stall_timeout),
    }
}

/// Tells the launcher, and whoever asks for the progress, where a run stands that is over before it begins: no attempt
/// begins, and nothing is written.
pub(super) fn tell_where_it_ended(run: &Run, progress: &Progress) {
    let launcher = Launcher::from_env();
    launcher.tell(Phase::Saving, run.step, run.course.total_steps);
    let (Some(place), Some((attempt, step))) = (&run.resumed_from, run.newest.get()) else {
        return;
    };
    launcher.tell_resumed(place);
    launcher.tell_checkpoint(place.clone());
    progress.begin(start_of(run, attempt));
    progress.checkpoint(place.clone(), step);
}

impl Keeper {
    /// Begins a new attempt.
    pub(super) fn open(run: &Run, progress: &Progress) -> Result<Self, TrainingError> {
        let books = if run.gang.is_first() {
            Some(Books::open(run, progress)?)
        } else {
            None
        };
        let attempt = books.as_ref().map_or(0, |books| books.saver.attempt());
        let launcher = Launcher::from_env();
        launcher.tell(Phase::Training, run.step, run.course.total_steps);
        if let Some(place) = &run.resumed_from {
            launcher.tell_resumed(place);
        }
        Ok(Self {
            attempt: run.gang.value_of_first("the attempt", &attempt)?,
            total_steps: run.course.total_steps,
            launcher,
            progress: progress.clone(),
            books,
        })
    }

    /// Tells the launcher, and whoever asks for the progress, what this rank does now.
    pub(super) fn enter(&self, phase: Phase, step: u64) {
        self.launcher.tell(phase, step, self.total_steps);
        match phase {
            Phase::Training => self.progress.enter(splade_telemetry::Phase::Training),
            Phase::Evaluating => self.progress.enter(splade_telemetry::Phase::Evaluating),
            Phase::Starting | Phase::Saving | Phase::Finished => self.progress.beat(),
        }
    }

    /// Number of the attempt, the same on all ranks.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether by the clock of rank 0 a checkpoint is due.
    pub(super) fn is_save_due(&self) -> bool {
        self.books.as_ref().is_some_and(|books| {
            books
                .every
                .is_some_and(|every| books.last_saved.elapsed() >= every)
        })
    }

    /// Takes a checkpoint of the run as it is, to be stored while training goes on.
    pub(super) fn save(&mut self, run: &Run) -> Result<(), TrainingError> {
        run.newest.set(Some((self.attempt, run.step)));
        let pause = Instant::now();
        if let Some(books) = &self.books {
            let beat = || self.enter(Phase::Saving, run.step);
            books.saver.wait_for_room(&beat)?;
        }
        let Some(books) = &mut self.books else {
            return Ok(());
        };
        let best = run
            .standing
            .as_ref()
            .and_then(|standing| standing.best.as_ref())
            .map(|best| (best.attempt, best.step));
        let snapshot = Snapshot::take(
            run.step,
            best == Some((self.attempt, run.step)),
            run.model.parameters(),
            &run.optimizer,
            &run.state(),
        )?;
        books.saver.save(snapshot, best);
        books.last_saved = Instant::now();
        books.reporter.leave_out(pause.elapsed());
        Ok(())
    }

    /// Waits until the last checkpoint is stored, all ranks together: one that left earlier would look lost.
    pub(super) fn finish(mut self, run: &Run) -> Result<(), TrainingError> {
        let beat = |keeper: &Self| keeper.enter(Phase::Saving, run.step);
        if let Some(books) = self.books.take()
            && let Some((place, step)) = books.saver.finish(&|| beat(&self))?
        {
            self.launcher.tell_checkpoint(place.clone());
            self.progress.checkpoint(place, step);
        }
        Ok(run
            .gang
            .barrier("the end, until the last checkpoint is stored")?)
    }

    /// Leaves out time that was not spent training from the speed that the next line tells.
    pub(super) fn leave_out(&mut self, pause: Duration) {
        if let Some(books) = &mut self.books {
            books.reporter.leave_out(pause);
        }
    }

    /// Takes in step number `step` (from 1) and writes a line when one is due.
    pub(super) fn log_step(
        &mut self,
        step: u64,
        report: &StepReport,
        triplets: usize,
        learning_rate: f64,
        weights: FlopsWeights,
    ) -> Result<(), TrainingError> {
        self.launcher.tell(Phase::Training, step, self.total_steps);
        let Some(books) = &mut self.books else {
            return Ok(());
        };
        books.saver.check()?;
        if let Some((place, step)) = books.saver.newest()
            && books.told != Some(step)
        {
            self.launcher.tell_checkpoint(place.clone());
            self.progress.checkpoint(place, step);
            books.told = Some(step);
        }
        books.reporter.gather(report, triplets);
        let logged = books
            .reporter
            .end_step(step, learning_rate, weights, report.gradient_norm);
        books.logged(logged).map(drop)
    }

    /// Writes a value that is measured apart.
    pub(super) fn log_scalar(
        &mut self,
        step: u64,
        name: &str,
        value: f64,
    ) -> Result<(), TrainingError> {
        let Some(books) = &mut self.books else {
            return Ok(());
        };
        let logged = books.reporter.add_scalar(step, name, value);
        books.logged(logged)
    }

    /// Writes the metrics of an evaluation.
    pub(super) fn log_evaluation(
        &mut self,
        step: u64,
        metric: Metric,
        metrics: &Metrics,
        standing: &Standing,
    ) -> Result<(), TrainingError> {
        if let Some(best) = &standing.best {
            self.progress.evaluation(EvaluationRecord {
                metric: metric.to_string(),
                value: metrics.get(metric),
                best: best.value,
                best_step: best.step,
            });
        }
        for metric in Metric::ALL {
            let name = format!("evaluation/{metric}");
            self.log_scalar(step, &name, metrics.get(metric))?;
        }
        if standing.stopped_early && self.books.is_some() {
            tracing::info!(
                step,
                evaluations = standing.without_improvement,
                "no evaluation was better than the best one: training ends early"
            );
        }
        Ok(())
    }
}
