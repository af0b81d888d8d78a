//! A run before its first step: data, model and optimizer, as they were at the newest checkpoint or at the start.

use super::course::{Course, Orders};
use super::error::TrainingError;
use super::evaluation::{Evaluator, Standing};
use super::guard::Guard;
use super::inputs::{
    check_teacher_scores, load_initial_weights, load_tokenizer, open_model, open_shards,
    starting_point,
};
use super::plan::TrainingPlan;
use super::state::TrainingState;
use crate::checkpoint::{CheckpointStore, WholeCheckpoint};
use crate::distributed::Gang;
use crate::model::Splade;
use crate::optimizer::{LearningRate, Optimizer};
use serde::{Deserialize, Serialize};
use splade_data::{DistributedSampler, Shards, Tokenizer};
use splade_native::Reducer;
use std::cell::Cell;

/// A training under way, on one of its ranks.
pub(super) struct Run<'a> {
    pub(super) plan: &'a TrainingPlan,
    pub(super) gang: &'a Gang,
    pub(super) model: Splade,
    pub(super) tokenizer: Tokenizer,
    pub(super) optimizer: Optimizer,
    /// Averages gradients over ranks; none for a training of one rank.
    pub(super) reducer: Option<Reducer>,
    pub(super) shards: Shards,
    pub(super) validation: Option<Shards>,
    pub(super) evaluator: Option<Evaluator>,
    /// What evaluations have found, where there are any.
    pub(super) standing: Option<Standing>,
    pub(super) orders: Orders,
    pub(super) course: Course,
    pub(super) learning_rate: LearningRate,
    pub(super) guard: Guard,
    pub(super) store: CheckpointStore,
    /// Digest of what the run starts from.
    pub(super) starting_point: String,
    /// Optimizer steps done.
    pub(super) step: u64,
    /// The checkpoint that rank 0 has continued from, if it did.
    pub(super) resumed_from: Option<String>,
    /// Attempt and step of the newest checkpoint of this run, once there is one.
    pub(super) newest: Cell<Option<(u32, u64)>>,
}

/// What rank 0 tells the others about where the run is.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    step: u64,
    standing: Option<Standing>,
}

impl<'a> Run<'a> {
    /// Opens everything; with `resume`, at the newest checkpoint if there is one. Rank 0 reads weights and moments
    /// and gives them to the others.
    pub(super) fn prepare(
        plan: &'a TrainingPlan,
        gang: &'a Gang,
        resume: bool,
    ) -> Result<Self, TrainingError> {
        let recipe = &plan.recipe;
        let tokenizer = load_tokenizer(&recipe.model)?;
        let model = open_model(plan, &tokenizer, gang.device())?;
        let shards = open_shards(plan, &recipe.data.train, &tokenizer)?;
        check_teacher_scores(&recipe.loss, &shards)?;
        let validation = if recipe.data.validation.is_empty() {
            None
        } else {
            Some(open_shards(plan, &recipe.data.validation, &tokenizer)?)
        };
        if let Some(validation) = &validation {
            check_teacher_scores(&recipe.loss, validation)?;
        }
        let evaluation = plan.surroundings.evaluation.as_ref();
        let lengths = (
            recipe.data.query_max_length,
            recipe.data.document_max_length,
        );
        let evaluator = evaluation.map(|plan| Evaluator::open(plan, lengths.0, lengths.1));
        let sampler = DistributedSampler::new(shards.len(), gang.size(), recipe.optimizer.seed)?;
        let course = Course::new(sampler.share(), &recipe.optimizer);
        let mut run = Self {
            plan,
            gang,
            optimizer: Optimizer::new(model.parameters(), recipe.optimizer.adamw),
            reducer: None,
            orders: Orders::new(sampler),
            learning_rate: course.learning_rate(&recipe.optimizer),
            guard: Guard::new(model.config().vocab_size()),
            model,
            tokenizer,
            shards,
            validation,
            evaluator: evaluator.transpose()?,
            standing: evaluation.map(Standing::new),
            course,
            store: CheckpointStore::open(
                &plan.surroundings.checkpoints,
                &plan.surroundings.scratch,
            )?,
            starting_point: starting_point(plan)?,
            step: 0,
            resumed_from: None,
            newest: Cell::new(None),
        };
        if gang.is_first() {
            run.restore_or_start(resume)?;
        }
        run.share()?;
        run.announce();
        Ok(run)
    }

    /// What a checkpoint taken now remembers.
    pub(super) fn state(&self) -> TrainingState {
        TrainingState {
            step: self.step,
            total_steps: self.course.total_steps,
            recipe: TrainingState::recipe_of(self.plan),
            data_fingerprint: self.shards.fingerprint().to_owned(),
            starting_point: self.starting_point.clone(),
            world_size: self.gang.size(),
            standing: self.standing.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn restore_or_start(&mut self, resume: bool) -> Result<(), TrainingError> {
        let newest = if resume {
            self.store.newest_whole()?
        } else {
            None
        };
        match newest {
            Some(checkpoint) => self.restore(&checkpoint),
            None => self.start(),
        }
    }

    fn restore(&mut self, whole: &WholeCheckpoint) -> Result<(), TrainingError> {
        let checkpoint = whole.checkpoint();
        let state: TrainingState = checkpoint.state()?;
        if let Some(differences) = self.state().differences(&state) {
            return Err(TrainingError::OtherRun {
                checkpoint: checkpoint.place(),
                differences,
            });
        }
        if state.world_size != self.gang.size() {
            return Err(TrainingError::OtherRanks {
                checkpoint: checkpoint.place(),
                then: state.world_size,
                now: self.gang.size(),
            });
        }
        whole.restore_model(self.model.parameters())?;
        whole.restore_optimizer(&mut self.optimizer)?;
        let place = checkpoint.place();
        if state.is_finished() {
            tracing::info!(step = state.step, checkpoint = %place, "the training is over already");
        } else {
            tracing::info!(step = state.step, checkpoint = %place, "resuming");
        }
        self.step = state.step;
        self.resumed_from = Some(place);
        self.newest
            .set(Some((checkpoint.attempt(), checkpoint.step())));
        self.take_over(state.standing)
    }

    /// Continues with the evaluations of a checkpoint, as long as they are of the same subject.
    fn take_over(&mut self, then: Option<Standing>) -> Result<(), TrainingError> {
        let (Some(now), Some(mut then)) = (&mut self.standing, then) else {
            return Ok(());
        };
        if let Some(best) = &then.best
            && self.store.at(best.attempt, best.step)?.is_none()
        {
            tracing::warn!(
                step = best.step,
                "the best checkpoint so far is gone: it counts no longer"
            );
            then.best = None;
        }
        if now.subject == then.subject {
            *now = Standing {
                selects: now.selects,
                ..then
            };
        } else {
            tracing::warn!(
                "evaluations were of {}, now they are of {}: the best one so far counts no longer",
                then.subject,
                now.subject
            );
        }
        Ok(())
    }

    fn start(&self) -> Result<(), TrainingError> {
        load_initial_weights(&self.model, self.plan)?;
        if let Some(factor) = self.plan.recipe.model.head_rescale {
            self.model.rescale_head(factor);
        }
        Ok(())
    }

    /// Gives all ranks the place, weights and moments that rank 0 has.
    fn share(&mut self) -> Result<(), TrainingError> {
        let position = self.gang.value_of_first(
            "the position",
            &Position {
                step: self.step,
                standing: self.standing.take(),
            },
        )?;
        self.step = position.step;
        self.standing = position.standing;
        self.reducer = self.gang.reducer(self.model.parameters())?;
        self.gang
            .copy_from_first("the moments", &mut self.optimizer.moments())?;
        self.optimizer.set_steps(self.step);
        Ok(())
    }

    fn announce(&self) {
        if !self.gang.is_first() || self.is_over() {
            return;
        }
        tracing::info!(
            triplets = self.shards.len(),
            parameters = self.model.parameters().count(),
            length = %self.plan.recipe.optimizer.length.describe(),
            total_steps = self.course.total_steps,
            ranks = self.gang.size(),
            "training {}", self.plan.name
        );
    }
}
