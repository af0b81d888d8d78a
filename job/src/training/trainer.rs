//! The training loop.

use super::candidates::GangTexts;
use super::course::Window;
use super::error::TrainingError;
use super::exchange::{StepReport, Wishes, exchange};
use super::guard::Place;
use super::inputs::collate;
use super::interrupt::Interrupt;
use super::keeper::{Keeper, tell_where_it_ended};
use super::launcher::Launcher;
use super::loss::{FlopsWeights, INFONCE, loss};
use super::plan::TrainingPlan;
use super::prepare::Run;
use super::result::Finished;
use super::state::is_over;
use super::step::Step;
use crate::distributed::Gang;
use splade_data::Shards;
use splade_launch::Phase;
use splade_storage::Location;
use splade_telemetry::Progress;
use splade_telemetry::spans::{self, Epochs, within};
use std::time::Instant;
use tch::{Kind, Tensor};
use tracing::Span;

/// How a training ended.
#[derive(Debug)]
pub enum Outcome {
    /// All steps are done. The result is with rank 0.
    Finished(Option<Box<Finished>>),
    /// Stopped from outside; a checkpoint of `step` is written.
    Interrupted {
        /// Optimizer steps done.
        step: u64,
        /// Where the checkpoints are.
        checkpoints: Location,
    },
}

/// Trains by `plan`, as one of the ranks of `gang`, until the end or until `interrupt` asks some rank, resuming from
/// the newest checkpoint if there is one.
///
/// # Errors
/// Bad data or weights, a collapsed run, ranks that do not answer, or storage that fails; see [`TrainingError`].
pub fn train(
    plan: &TrainingPlan,
    gang: &Gang,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Outcome, TrainingError> {
    progress.enter(splade_telemetry::Phase::Preparing);
    let mut run = Run::prepare(plan, gang, plan.surroundings.resume)?;
    if run.is_over() {
        tell_where_it_ended(&run, progress);
        return finish(run);
    }
    let mut keeper = Keeper::open(&run, progress)?;
    let _answering = interrupt.answering();
    // A run that was stopped right after a step at which an evaluation was due.
    if run.evaluate_if_due(&mut keeper)? || run.is_over() {
        keeper.save(&run)?;
    }
    let mut epochs = Epochs::default();
    while !run.is_over() {
        keeper.enter(Phase::Training, run.step);
        let epoch = run.course.place(run.step).0;
        let _epoch = gang.is_first().then(|| epochs.enter(epoch));
        let wishes = Wishes {
            stop: interrupt.is_requested(),
            save: keeper.is_save_due(),
        };
        let report = run.step(&mut keeper, wishes)?;
        if report.stop && !run.is_over() {
            keeper.enter(Phase::Saving, run.step);
            keeper.save(&run)?;
            keeper.finish(&run)?;
            return Ok(Outcome::Interrupted {
                step: run.step,
                checkpoints: plan.surroundings.checkpoints.clone(),
            });
        }
        let is_best = run.evaluate_if_due(&mut keeper)?;
        if is_best || report.save || run.is_over() || run.is_checkpoint_step() {
            keeper.save(&run)?;
            run.validate(&mut keeper)?;
        }
    }
    run.compare_ranks()?;
    keeper.enter(Phase::Saving, run.step);
    keeper.finish(&run)?;
    finish(run)
}

/// The result, which rank 0 takes for all.
fn finish(run: Run) -> Result<Outcome, TrainingError> {
    let finished = if run.gang.is_first() {
        let finished = run.finish()?;
        Launcher::from_env().tell_finished(&finished.weights_sha256);
        Some(Box::new(finished))
    } else {
        None
    };
    Ok(Outcome::Finished(finished))
}

/// Ranks keep in step: what the first one tells of epochs and evaluations is true of all.
fn evaluation_span(gang: &Gang, step: u64) -> Span {
    if gang.is_first() {
        spans::evaluation(step)
    } else {
        Span::none()
    }
}

impl Run<'_> {
    pub(super) fn is_over(&self) -> bool {
        is_over(self.step, self.course.total_steps, self.standing.as_ref())
    }

    /// One optimizer step: forward and backward of each micro-batch, clip, update.
    fn step(&mut self, keeper: &mut Keeper, wishes: Wishes) -> Result<StepReport, TrainingError> {
        let (epoch, window) = self.course.place(self.step);
        let window = self.course.window(epoch, window, self.orders.of(epoch));
        let weights = FlopsWeights::at(&self.plan.recipe.loss, self.step);
        let step = Step {
            model: &self.model,
            plan: self.plan,
            gang: self.gang,
            weights,
            // A short window at the end of an epoch divides by what it really has.
            batches: window.batches.len(),
        };
        let mut measured = Vec::with_capacity(window.batches.len());
        for (index, by_rank) in window.batches.iter().enumerate() {
            let batch = collate(
                &self.shards,
                by_rank,
                self.gang.rank(),
                &self.plan.recipe.loss,
            )?;
            // Gradients cross ranks once a step, with those of the last micro-batch.
            let is_last = index + 1 == window.batches.len();
            let reducer = self.reducer.as_mut().filter(|_| is_last);
            measured.push(step.forward_and_backward(&batch, reducer)?);
        }
        let norm = self
            .optimizer
            .clip_gradients(self.plan.recipe.optimizer.gradient_clip)?;
        let report = exchange(self.gang, &measured, &norm, wishes)?;
        self.look(&window, &report)?;
        let rate = self.learning_rate.at(self.step);
        self.optimizer.step(rate)?;
        self.step += 1;
        let triplets = window.batches.iter().flatten().map(Vec::len).sum();
        keeper.log_step(self.step, &report, triplets, rate, weights)?;
        Ok(report)
    }

    fn look(&mut self, window: &Window, report: &StepReport) -> Result<(), TrainingError> {
        let place = Place {
            step: self.step,
            epoch: window.epoch,
            first_batch: window.first_batch,
            batches: &window.batches,
        };
        Ok(self.guard.look(place, report)?)
    }

    fn is_checkpoint_step(&self) -> bool {
        self.plan
            .surroundings
            .every_steps
            .is_some_and(|every| self.step.is_multiple_of(every))
    }

    /// Evaluates at the steps that the plan names and at the end; true where the model is the best so far and is to be
    /// kept.
    fn evaluate_if_due(&mut self, keeper: &mut Keeper) -> Result<bool, TrainingError> {
        let (Some(plan), Some(evaluator), Some(standing)) = (
            &self.plan.surroundings.evaluation,
            &self.evaluator,
            &mut self.standing,
        ) else {
            return Ok(false);
        };
        let is_last = self.step >= self.course.total_steps;
        let is_due = self.step > 0 && (is_last || self.step.is_multiple_of(plan.every_steps));
        if !is_due || standing.last_step == Some(self.step) {
            return Ok(false);
        }
        let pause = Instant::now();
        keeper.enter(Phase::Evaluating, self.step);
        let metrics = within(evaluation_span(self.gang, self.step), || {
            let beat = || keeper.enter(Phase::Evaluating, self.step);
            evaluator.evaluate(&self.model, &self.tokenizer, self.gang, &beat)
        })?;
        let value = metrics.get(plan.metric);
        let is_best = standing.take_in(self.step, keeper.attempt(), value, plan.patience);
        keeper.log_evaluation(self.step, plan.metric, &metrics, standing)?;
        keeper.leave_out(pause.elapsed());
        Ok(is_best && plan.select_best)
    }

    /// Logs the loss on the validation triplets.
    fn validate(&self, keeper: &mut Keeper) -> Result<(), TrainingError> {
        let Some(shards) = &self.validation else {
            return Ok(());
        };
        let pause = Instant::now();
        keeper.enter(Phase::Evaluating, self.step);
        let loss = within(evaluation_span(self.gang, self.step), || {
            self.validation_loss(shards, keeper)
        })?;
        keeper.log_scalar(self.step, "validation_loss", loss)?;
        keeper.leave_out(pause.elapsed());
        Ok(())
    }

    /// Mean InfoNCE over the validation triplets, batched as in training and spread over the ranks.
    fn validation_loss(&self, shards: &Shards, keeper: &Keeper) -> Result<f64, TrainingError> {
        let solo = Gang::solo(self.model.device());
        let mut plan = self.plan.recipe.loss.clone();
        plan.cross_rank = false;
        let indices: Vec<u32> = (0..shards.len() as u32).collect();
        let mut sum = Tensor::zeros([], (Kind::Double, self.model.device()));
        let batches = indices.chunks(self.plan.recipe.optimizer.batch_size);
        for triplets in batches.skip(self.gang.rank()).step_by(self.gang.size()) {
            keeper.enter(Phase::Evaluating, self.step);
            let batch = collate(shards, &[triplets.to_vec()], 0, &plan)?;
            let texts = GangTexts {
                by_rank: &batch.texts,
                own: 0,
            };
            let parts = tch::no_grad(|| {
                let rows = self.model.pack(&batch.rows.ids, &batch.rows.lengths)?;
                let representations = self.model.forward(&rows)?;
                loss(&representations, texts, &plan, FlopsWeights::NONE, &solo)
            })?;
            sum += parts.values.get(INFONCE as i64) * triplets.len() as f64;
        }
        let sum = self.gang.sum("the validation loss", &sum)?;
        Ok(sum.f_double_value(&[])? / shards.len() as f64)
    }

    /// Makes sure that the ranks have kept in step: bit for bit the same weights on all of them.
    fn compare_ranks(&self) -> Result<(), TrainingError> {
        if self.gang.size() == 1 {
            return Ok(());
        }
        let digest = self.model.parameters().digest()?;
        tracing::info!(weights_digest = %digest, "the weights of this rank");
        if self
            .gang
            .value_of_first("the digest of the weights", &digest)?
            != digest
        {
            return Err(TrainingError::Diverged {
                rank: self.gang.rank(),
                step: self.step,
            });
        }
        Ok(())
    }
}
