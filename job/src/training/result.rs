//! The result of a training: the model of its last step, or of its best one where evaluations select.

use super::error::TrainingError;
use super::inputs::{load_tokenizer, open_model, open_shards, starting_point};
use super::plan::TrainingPlan;
use super::prepare::Run;
use super::state::TrainingState;
use crate::checkpoint::{Checkpoint, CheckpointStore};
use crate::model::Splade;
use tch::Device;

/// A trained model with what describes it.
#[derive(Debug)]
pub struct Finished {
    /// The model.
    pub model: Splade,
    /// The state of the checkpoint that it is from.
    pub state: TrainingState,
    /// Triplets in the training data.
    pub triplets: usize,
    /// SHA-256 of the weights in that checkpoint.
    pub weights_sha256: String,
}

/// The model of a training that is over, on whatever ranks it ran; None where steps are left. Nothing is trained.
///
/// # Errors
/// Checkpoints of another run, or storage that fails.
pub fn load_finished(
    plan: &TrainingPlan,
    device: Device,
) -> Result<Option<Finished>, TrainingError> {
    let settings = &plan.surroundings;
    let store = CheckpointStore::open(&settings.checkpoints, &settings.scratch)?;
    let Some(newest) = store.newest()? else {
        return Ok(None);
    };
    let tokenizer = load_tokenizer(&plan.recipe.model)?;
    let shards = open_shards(plan, &plan.recipe.data.train, &tokenizer)?;
    let state: TrainingState = newest.state()?;
    let expected = TrainingState {
        recipe: TrainingState::recipe_of(plan),
        data_fingerprint: shards.fingerprint().to_owned(),
        starting_point: starting_point(plan)?,
        ..state.clone()
    };
    if let Some(differences) = expected.differences(&state) {
        return Err(TrainingError::OtherRun {
            checkpoint: newest.place(),
            differences,
        });
    }
    if !state.is_finished() {
        return Ok(None);
    }
    let result = selected(&store, &state, newest)?;
    let model = open_model(plan, &tokenizer, device)?;
    result.whole()?.restore_model(model.parameters())?;
    Ok(Some(Finished {
        weights_sha256: result.weights_sha256()?,
        model,
        state: at_step_of(state, &result),
        triplets: shards.len(),
    }))
}

/// The checkpoint that is the result of a training whose newest one has this state.
///
/// # Errors
/// Storage that fails, or a best checkpoint that has gone.
pub fn selected(
    store: &CheckpointStore,
    state: &TrainingState,
    newest: Checkpoint,
) -> Result<Checkpoint, TrainingError> {
    match state.selected() {
        Some(best) => store
            .at(best.attempt, best.step)?
            .ok_or(TrainingError::BestGone {
                attempt: best.attempt,
                step: best.step,
            }),
        None => Ok(newest),
    }
}

fn at_step_of(state: TrainingState, result: &Checkpoint) -> TrainingState {
    TrainingState {
        step: result.step(),
        ..state
    }
}

impl Run<'_> {
    /// The result of this run, which is over and stored.
    pub(super) fn finish(self) -> Result<Finished, TrainingError> {
        let state = self.state();
        let (attempt, step) = self.newest.get().ok_or(TrainingError::NothingSaved)?;
        let newest = self.store.at(attempt, step)?;
        let newest = newest.ok_or(TrainingError::SavedGone { attempt, step })?;
        let result = selected(&self.store, &state, newest)?;
        if result.step() != self.step {
            tracing::info!(step = result.step(), "taking the best checkpoint");
            result.whole()?.restore_model(self.model.parameters())?;
        }
        Ok(Finished {
            weights_sha256: result.weights_sha256()?,
            model: self.model,
            state: at_step_of(state, &result),
            triplets: self.shards.len(),
        })
    }
}
