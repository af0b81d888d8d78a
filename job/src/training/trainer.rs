//! The training loop.

use super::course::Window;
use super::error::TrainingError;
use super::guard::Place;
use super::inputs::collate;
use super::interrupt::Interrupt;
use super::plan::TrainingPlan;
use super::prepare::Run;
use super::report::{Extent, Reporter};
use super::state::TrainingState;
use super::step::{FlopsWeights, MEASURES, Measured, forward};
use crate::checkpoint::Attempt;
use crate::model::Splade;
use splade_telemetry::spans::{self, Epochs, within};
use splade_telemetry::{Phase, Progress, TrainingStart};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

/// How a training ended.
#[derive(Debug)]
pub enum Outcome {
    /// All steps are done.
    Finished(Box<Finished>),
    /// Stopped from outside; a checkpoint of `step` is written.
    Interrupted {
        /// Optimizer steps done.
        step: u64,
        /// The checkpoint.
        checkpoint: PathBuf,
    },
}

/// A trained model with what describes it.
#[derive(Debug)]
pub struct Finished {
    /// The model.
    pub model: Splade,
    /// The last state.
    pub state: TrainingState,
    /// Triplets in the training data.
    pub triplets: usize,
    /// SHA-256 of the last checkpoint's weights.
    pub weights_sha256: String,
}

/// Trains by `plan` until the end or until `interrupt` asks, resuming from the newest checkpoint if there is one.
///
/// # Errors
/// Bad data or weights, a collapsed run, or storage that fails; see [`TrainingError`].
pub fn train(
    plan: &TrainingPlan,
    device: Device,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Outcome, TrainingError> {
    progress.enter(Phase::Preparing);
    let mut run = Run::prepare(plan, device, plan.surroundings.resume)?;
    if run.is_over() {
        return run.finish();
    }
    let attempt = run.store.begin_attempt(plan.surroundings.keep_last)?;
    progress.begin(run.status(&attempt));
    let mut reporter = run.reporter(&attempt, progress)?;
    let _saving = interrupt.saving();
    let mut last_saved = Instant::now();
    let mut epochs = Epochs::default();
    progress.enter(Phase::Training);
    while !run.is_over() {
        let _epoch = epochs.enter(run.course.place(run.step).0);
        run.step(&mut reporter)?;
        let stop = interrupt.is_requested();
        if !(stop || run.is_over() || run.is_checkpoint_due(last_saved)) {
            continue;
        }
        let pause = Instant::now();
        let checkpoint = run.save(&attempt)?;
        progress.checkpoint(checkpoint.display().to_string(), run.step);
        if stop && !run.is_over() {
            return Ok(Outcome::Interrupted {
                step: run.step,
                checkpoint,
            });
        }
        if run.validation.is_some() {
            progress.enter(Phase::Evaluating);
            let loss = within(spans::evaluation(run.step), || {
                run.validation_loss(interrupt, progress)
            })?;
            if let Some(loss) = loss {
                let logged = reporter.add_scalar(run.step, "validation_loss", loss);
                logged.map_err(|source| run.log_error(source))?;
            }
            progress.enter(Phase::Training);
        }
        reporter.leave_out(pause.elapsed());
        last_saved = Instant::now();
    }
    run.finish()
}

/// The model of a training that is over; None where steps are left. Nothing is trained.
///
/// # Errors
/// As [`train`].
pub fn load_finished(
    plan: &TrainingPlan,
    device: Device,
) -> Result<Option<Finished>, TrainingError> {
    let run = Run::prepare(plan, device, true)?;
    if !run.is_over() {
        return Ok(None);
    }
    match run.finish()? {
        Outcome::Finished(finished) => Ok(Some(*finished)),
        Outcome::Interrupted { .. } => Ok(None),
    }
}

impl Run<'_> {
    fn is_over(&self) -> bool {
        self.step >= self.course.total_steps
    }

    /// The run as those who ask for the progress see it at its start.
    fn status(&self, attempt: &Attempt) -> TrainingStart {
        TrainingStart {
            name: self.plan.name.clone(),
            attempt: attempt.number(),
            world_size: 1,
            step: self.step,
            total_steps: self.course.total_steps,
            stall_after: Some(self.plan.surroundings.stall_after),
        }
    }

    fn reporter(&self, attempt: &Attempt, progress: &Progress) -> Result<Reporter, TrainingError> {
        let settings = &self.plan.surroundings;
        let extent = Extent {
            done: self.step,
            total_steps: self.course.total_steps,
            steps_per_epoch: self.course.steps_per_epoch(),
        };
        Reporter::open(
            attempt.folder(),
            settings.tensorboard.as_deref(),
            settings.log_every,
            extent,
            &self.model,
            &self.plan.recipe.optimizer,
            progress,
        )
        .map_err(|source| self.log_error(source))
    }

    fn log_error(&self, source: std::io::Error) -> TrainingError {
        TrainingError::Log {
            path: self.plan.surroundings.checkpoints.clone(),
            source,
        }
    }

    /// One optimizer step: forward and backward of each micro-batch, clip, update.
    fn step(&mut self, reporter: &mut Reporter) -> Result<(), TrainingError> {
        let (epoch, window) = self.course.place(self.step);
        let window = self.course.window(epoch, window, self.order.of(epoch));
        let weights = FlopsWeights::at(&self.plan.recipe.loss, self.step);
        let mut batches = Vec::with_capacity(window.batches.len());
        for triplets in &window.batches {
            let batch = collate(&self.shards, triplets)?;
            let (loss, measured) = forward(&self.model, &batch, &self.plan.recipe.loss, weights)?;
            // A short window at the end of an epoch divides by what it really has.
            (loss / window.batches.len() as f64).f_backward()?;
            batches.push((measured, batch.lengths));
        }
        let norm = self
            .optimizer
            .clip_gradients(self.plan.recipe.optimizer.gradient_clip)?;
        let gradient_norm = self.read(&window, &batches, &norm, reporter)?;
        let rate = self.learning_rate.at(self.step);
        self.optimizer.step(rate)?;
        self.step += 1;
        reporter
            .end_step(self.step, rate, weights, gradient_norm)
            .map_err(|source| self.log_error(source))?;
        Ok(())
    }

    /// The one time a step waits for the device: all its measures in one transfer, looked at before the update.
    fn read(
        &mut self,
        window: &Window,
        batches: &[(Measured, Vec<i64>)],
        norm: &Tensor,
        reporter: &mut Reporter,
    ) -> Result<f64, TrainingError> {
        let mut values: Vec<Tensor> = batches
            .iter()
            .map(|(measured, _)| measured.values.shallow_clone())
            .collect();
        values.push(norm.view([1]));
        let mut values: Vec<f64> = Vec::try_from(Tensor::f_cat(&values, 0)?.to_kind(Kind::Double))?;
        let norm = values.pop().unwrap_or(f64::NAN);
        let rows: Vec<Vec<f64>> = values.chunks(MEASURES.len()).map(<[f64]>::to_vec).collect();
        let place = Place {
            step: self.step,
            epoch: window.epoch,
            first_batch: window.first_batch,
            batches: &window.batches,
        };
        self.guard.look(place, &rows, norm)?;
        for (row, (measured, lengths)) in rows.iter().zip(batches) {
            reporter.gather(row, measured, lengths);
        }
        Ok(norm)
    }

    fn is_checkpoint_due(&self, last_saved: Instant) -> bool {
        let settings = &self.plan.surroundings;
        settings
            .every_steps
            .is_some_and(|every| self.step.is_multiple_of(every))
            || settings
                .every_minutes
                .is_some_and(|every| last_saved.elapsed() >= Duration::from_secs(60 * every))
    }

    fn save(&mut self, attempt: &Attempt) -> Result<PathBuf, TrainingError> {
        let state = self.state();
        let folder = attempt.place(self.step).display().to_string();
        let checkpoint = within(spans::checkpoint(self.step, &folder), || {
            attempt.save(self.step, self.model.parameters(), &self.optimizer, &state)
        })?;
        let folder = checkpoint.folder.clone();
        tracing::info!(step = self.step, checkpoint = %folder.display(), "checkpoint");
        self.newest = Some(checkpoint);
        Ok(folder)
    }

    /// Mean InfoNCE over the validation triplets, batched as in training. None where there are none, or no time.
    fn validation_loss(
        &self,
        interrupt: &Interrupt,
        progress: &Progress,
    ) -> Result<Option<f64>, TrainingError> {
        let Some(shards) = &self.validation else {
            return Ok(None);
        };
        let weights = FlopsWeights {
            query: 0.0,
            document: 0.0,
            negative: None,
        };
        let indices: Vec<u32> = (0..shards.len() as u32).collect();
        let mut sum = 0.0;
        for triplets in indices.chunks(self.plan.recipe.optimizer.batch_size) {
            if interrupt.is_requested() {
                return Ok(None);
            }
            progress.beat();
            let batch = collate(shards, triplets)?;
            let (_, measured) =
                tch::no_grad(|| forward(&self.model, &batch, &self.plan.recipe.loss, weights))?;
            sum += measured.values.f_get(1)?.f_double_value(&[])? * triplets.len() as f64;
        }
        Ok(Some(sum / shards.len() as f64))
    }

    fn finish(self) -> Result<Outcome, TrainingError> {
        let state = self.state();
        let triplets = self.shards.len();
        let newest = self.newest.ok_or(TrainingError::NothingSaved)?;
        Ok(Outcome::Finished(Box::new(Finished {
            weights_sha256: newest.weights_sha256()?,
            model: self.model,
            state,
            triplets,
        })))
    }
}
