//! A run before its first step: data, model and optimizer, as they were at the newest checkpoint or at the start.

use super::course::{Course, EpochOrder};
use super::error::TrainingError;
use super::guard::Guard;
use super::inputs::{
    check_fit, check_teacher_scores, load_initial_weights, load_tokenizer, open_shards,
    special_tokens, starting_point,
};
use super::plan::TrainingPlan;
use super::state::TrainingState;
use crate::checkpoint::{Checkpoint, CheckpointStore};
use crate::model::{Splade, SpladeOptions};
use crate::optimizer::{LearningRate, Optimizer};
use splade_data::{DistributedSampler, Shards, Tokenizer};
use tch::Device;

/// A training under way.
pub(super) struct Run<'a> {
    pub(super) plan: &'a TrainingPlan,
    pub(super) model: Splade,
    pub(super) optimizer: Optimizer,
    pub(super) shards: Shards,
    pub(super) validation: Option<Shards>,
    pub(super) order: EpochOrder,
    pub(super) course: Course,
    pub(super) learning_rate: LearningRate,
    pub(super) guard: Guard,
    pub(super) store: CheckpointStore,
    /// The checkpoint that holds what the run has reached, once there is one.
    pub(super) newest: Option<Checkpoint>,
    /// Digest of what the run starts from.
    pub(super) starting_point: String,
    /// Optimizer steps done.
    pub(super) step: u64,
}

impl<'a> Run<'a> {
    /// Opens everything; with `resume`, at the newest checkpoint if there is one.
    pub(super) fn prepare(
        plan: &'a TrainingPlan,
        device: Device,
        resume: bool,
    ) -> Result<Self, TrainingError> {
        let recipe = &plan.recipe;
        let tokenizer = load_tokenizer(&recipe.model)?;
        let model = open_model(plan, &tokenizer, device)?;
        let shards = open_shards(plan, &recipe.data.train, &tokenizer)?;
        check_teacher_scores(&recipe.loss, &shards)?;
        let validation = if recipe.data.validation.is_empty() {
            None
        } else {
            let shards = open_shards(plan, &recipe.data.validation, &tokenizer)?;
            check_teacher_scores(&recipe.loss, &shards)?;
            Some(shards)
        };
        let course = Course::new(shards.len(), &recipe.optimizer);
        let sampler = DistributedSampler::new(shards.len(), 1, 0, recipe.optimizer.seed)?;
        let mut run = Self {
            plan,
            optimizer: Optimizer::new(model.parameters(), recipe.optimizer.adamw),
            order: EpochOrder::new(sampler),
            learning_rate: course.learning_rate(&recipe.optimizer),
            guard: Guard::new(model.config().vocab_size()),
            model,
            shards,
            validation,
            course,
            store: CheckpointStore::new(&plan.surroundings.checkpoints),
            newest: None,
            starting_point: starting_point(&recipe.model)?,
            step: 0,
        };
        let newest = if resume { run.store.newest()? } else { None };
        match newest {
            Some(checkpoint) => run.restore(checkpoint)?,
            None => run.start()?,
        }
        run.announce();
        Ok(run)
    }

    /// What a checkpoint taken now remembers.
    pub(super) fn state(&self) -> TrainingState {
        TrainingState::new(
            self.plan,
            self.shards.fingerprint(),
            &self.starting_point,
            self.step,
            self.course.total_steps,
        )
    }

    fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), TrainingError> {
        let state: TrainingState = checkpoint.state()?;
        if let Some(differences) = self.state().differences(&state) {
            return Err(TrainingError::OtherRun {
                checkpoint: checkpoint.folder,
                differences,
            });
        }
        checkpoint.restore_model(self.model.parameters())?;
        checkpoint.restore_optimizer(&mut self.optimizer)?;
        tracing::info!(step = state.step, checkpoint = %checkpoint.folder.display(), "resuming");
        self.step = state.step;
        self.newest = Some(checkpoint);
        Ok(())
    }

    fn start(&self) -> Result<(), TrainingError> {
        let model = &self.plan.recipe.model;
        load_initial_weights(&self.model, model.weights.as_ref())?;
        if let Some(factor) = model.head_rescale {
            self.model.rescale_head(factor);
        }
        Ok(())
    }

    fn announce(&self) {
        tracing::info!(
            triplets = self.shards.len(),
            parameters = self.model.parameters().count(),
            length = %self.plan.recipe.optimizer.length.describe(),
            total_steps = self.course.total_steps,
            "training {}", self.plan.name
        );
    }
}

fn open_model(
    plan: &TrainingPlan,
    tokenizer: &Tokenizer,
    device: Device,
) -> Result<Splade, TrainingError> {
    let recipe = &plan.recipe;
    let options = SpladeOptions {
        precision: recipe.optimizer.precision,
        special_tokens: special_tokens(recipe.model.special_tokens, tokenizer),
        device,
    };
    let model = Splade::from_folder(&recipe.model.folder, options)?;
    check_fit(&model, tokenizer, plan)?;
    Ok(model)
}
