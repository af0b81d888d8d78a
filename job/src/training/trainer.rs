//! The training loop.

use super::course::{Course, EpochOrder, Window};
use super::error::TrainingError;
use super::guard::{Guard, Place};
use super::inputs::{
    check_fit, collate, load_initial_weights, load_tokenizer, open_shards, special_tokens,
};
use super::plan::TrainingPlan;
use super::report::{Extent, Reporter};
use super::state::TrainingState;
use super::step::{FlopsWeights, MEASURES, Measured, forward};
use crate::checkpoint::{Attempt, CheckpointStore};
use crate::model::{Splade, SpladeOptions};
use crate::optimizer::{LearningRate, Optimizer};
use splade_data::{DistributedSampler, Shards};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

/// Set from outside (a signal) when the run shall save a checkpoint and leave.
pub type Interrupt = AtomicBool;

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
    /// Whether any step was taken by this call, or all had been done before.
    pub resumed_at_end: bool,
}

/// Trains by `plan` until the end or until `interrupt` is set, resuming from the newest checkpoint if there is one.
///
/// # Errors
/// Bad data or weights, a collapsed run, or storage that fails; see [`TrainingError`].
pub fn train(
    plan: &TrainingPlan,
    device: Device,
    interrupt: &Interrupt,
) -> Result<Outcome, TrainingError> {
    let mut run = Run::prepare(plan, device)?;
    if run.step >= run.course.total_steps {
        return Ok(run.finish(true));
    }
    let attempt = run.store.begin_attempt(plan.surroundings.keep_last)?;
    let log_error = |source| TrainingError::Log {
        path: attempt.folder().to_owned(),
        source,
    };
    let extent = Extent {
        done: run.step,
        total_steps: run.course.total_steps,
        steps_per_epoch: run.course.steps_per_epoch(),
    };
    let settings = &plan.surroundings;
    let mut reporter = Reporter::open(
        attempt.folder(),
        settings.tensorboard.as_deref(),
        settings.log_every,
        extent,
        &run.model,
        &plan.recipe.optimizer,
    )
    .map_err(log_error)?;
    let mut last_saved = Instant::now();
    while run.step < run.course.total_steps {
        run.step(&mut reporter)?;
        let stop = interrupt.load(Ordering::Relaxed);
        if stop || run.step == run.course.total_steps || run.is_checkpoint_due(last_saved) {
            let checkpoint = run.save(&attempt)?;
            last_saved = Instant::now();
            if stop && run.step < run.course.total_steps {
                return Ok(Outcome::Interrupted {
                    step: run.step,
                    checkpoint,
                });
            }
            if let Some(loss) = run.validation_loss()? {
                reporter
                    .add_scalar(run.step, "validation_loss", loss)
                    .map_err(log_error)?;
            }
        }
    }
    Ok(run.finish(false))
}

struct Run<'a> {
    plan: &'a TrainingPlan,
    model: Splade,
    optimizer: Optimizer,
    shards: Shards,
    validation: Option<Shards>,
    order: EpochOrder,
    course: Course,
    learning_rate: LearningRate,
    guard: Guard,
    store: CheckpointStore,
    step: u64,
}

impl<'a> Run<'a> {
    /// Data, model and optimizer, as they were at the newest checkpoint or at the start.
    fn prepare(plan: &'a TrainingPlan, device: Device) -> Result<Self, TrainingError> {
        let recipe = &plan.recipe;
        let tokenizer = load_tokenizer(&recipe.model)?;
        let options = SpladeOptions {
            precision: recipe.optimizer.precision,
            special_tokens: special_tokens(recipe.model.special_tokens, &tokenizer),
            device,
        };
        let model = Splade::from_folder(&recipe.model.folder, options)?;
        check_fit(&model, &tokenizer, plan)?;
        let shards = open_shards(plan, &recipe.data.train, &tokenizer)?;
        let validation = if recipe.data.validation.is_empty() {
            None
        } else {
            Some(open_shards(plan, &recipe.data.validation, &tokenizer)?)
        };
        let mut optimizer = Optimizer::new(model.parameters(), recipe.optimizer.adamw);
        let course = Course::new(shards.len(), &recipe.optimizer);
        let store = CheckpointStore::new(&plan.surroundings.checkpoints);
        let newest = if plan.surroundings.resume {
            store.newest()?
        } else {
            None
        };
        let step = match newest {
            Some(checkpoint) => {
                let state: TrainingState = checkpoint.state()?;
                let ours =
                    TrainingState::new(plan, shards.fingerprint(), state.step, course.total_steps);
                if let Some(differences) = ours.differences(&state) {
                    return Err(TrainingError::OtherRun {
                        checkpoint: checkpoint.folder,
                        differences,
                    });
                }
                checkpoint.restore_model(model.parameters())?;
                checkpoint.restore_optimizer(&mut optimizer)?;
                tracing::info!(step = state.step, checkpoint = %checkpoint.folder.display(), "resuming");
                state.step
            }
            None => {
                load_initial_weights(&model, recipe.model.weights.as_ref())?;
                if let Some(factor) = recipe.model.head_rescale {
                    model.rescale_head(factor);
                }
                0
            }
        };
        tracing::info!(
            triplets = shards.len(),
            parameters = model.parameters().count(),
            length = %recipe.optimizer.length.describe(),
            total_steps = course.total_steps,
            "training {}", plan.name
        );
        Ok(Self {
            plan,
            optimizer,
            order: EpochOrder::new(DistributedSampler::new(
                shards.len(),
                1,
                0,
                recipe.optimizer.seed,
            )?),
            learning_rate: course.learning_rate(&recipe.optimizer),
            guard: Guard::new(model.config().vocab_size()),
            model,
            shards,
            validation,
            course,
            store,
            step,
        })
    }

    /// One optimizer step: forward and backward of each micro-batch, clip, update.
    fn step(&mut self, reporter: &mut Reporter) -> Result<(), TrainingError> {
        let (epoch, window) = self.course.place(self.step);
        let window = self.course.window(epoch, window, self.order.of(epoch));
        let weights = FlopsWeights::at(&self.plan.recipe.loss, self.step);
        let mut batches = Vec::with_capacity(window.batches.len());
        for triplets in &window.batches {
            let batch = collate(&self.shards, triplets)?;
            if self.plan.recipe.loss.distillation.is_some() && batch.teacher_scores.is_none() {
                return Err(TrainingError::NoTeacherScores);
            }
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
        let log_error = |source| TrainingError::Log {
            path: self.plan.surroundings.checkpoints.clone(),
            source,
        };
        reporter
            .end_step(self.step, rate, weights, gradient_norm)
            .map_err(log_error)?;
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

    fn save(&self, attempt: &Attempt) -> Result<PathBuf, TrainingError> {
        let folder = attempt.save(
            self.step,
            self.model.parameters(),
            &self.optimizer,
            &self.state(),
        )?;
        tracing::info!(step = self.step, checkpoint = %folder.display(), "checkpoint");
        Ok(folder)
    }

    fn state(&self) -> TrainingState {
        TrainingState::new(
            self.plan,
            self.shards.fingerprint(),
            self.step,
            self.course.total_steps,
        )
    }

    /// Mean InfoNCE over the validation triplets, batched as in training. None where there are none.
    fn validation_loss(&self) -> Result<Option<f64>, TrainingError> {
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
            let batch = collate(shards, triplets)?;
            let (_, measured) =
                tch::no_grad(|| forward(&self.model, &batch, &self.plan.recipe.loss, weights))?;
            sum += measured.values.f_get(1)?.f_double_value(&[])? * triplets.len() as f64;
        }
        Ok(Some(sum / shards.len() as f64))
    }

    fn finish(self, resumed_at_end: bool) -> Outcome {
        let state = self.state();
        let triplets = self.shards.len();
        Outcome::Finished(Box::new(Finished {
            model: self.model,
            state,
            triplets,
            resumed_at_end,
        }))
    }
}
