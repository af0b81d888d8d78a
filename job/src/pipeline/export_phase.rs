//! Exporting a finished training, unless its very export is there already.

use super::run::PipelineError;
use crate::checkpoint::{CheckpointError, CheckpointStore, Manifest};
use crate::export::{ExportPlan, ModelCard, PROVENANCE, export};
use crate::training::{Finished, TrainingPlan, TrainingState, selected};
use serde::{Deserialize, Serialize};
use splade_retrieval::BenchmarkReport;
use splade_telemetry::spans::{self, within};
use std::fs;
use std::path::Path;

/// What an exported model was made of, and how.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Provenance {
    state: TrainingState,
    weights_sha256: String,
    triplets: usize,
    max_length: usize,
    dtype: String,
}

impl Provenance {
    fn of(finished: &Finished, plan: &ExportPlan) -> Self {
        Self {
            state: finished.state.clone(),
            weights_sha256: finished.weights_sha256.clone(),
            triplets: finished.triplets,
            max_length: plan.max_length,
            dtype: format!("{:?}", plan.kind),
        }
    }

    fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(PROVENANCE)).ok()?).ok()
    }
}

/// Whether `plan`'s folder holds a whole export of this run.
fn is_done(plan: &ExportPlan, provenance: &Provenance) -> bool {
    Provenance::read(&plan.folder).as_ref() == Some(provenance)
        && Manifest::verify(&plan.folder).is_ok()
}

/// Writes the export of a finished training, unless that was done before.
pub(super) fn export_finished(
    training: &TrainingPlan,
    plan: &ExportPlan,
    finished: &Finished,
) -> Result<(), PipelineError> {
    let provenance = Provenance::of(finished, plan);
    if is_done(plan, &provenance) {
        tracing::info!(folder = %plan.folder.display(), "the export is there already");
        return Ok(());
    }
    let card = card(training, &provenance, Vec::new());
    let json = serde_json::to_value(&provenance).map_err(|source| PipelineError::Json {
        path: plan.folder.join(PROVENANCE),
        source,
    })?;
    within(spans::export(&training.name, &plan.folder), || {
        export(&finished.model, plan, &card, &json)
    })?;
    tracing::info!(folder = %plan.folder.display(), "exported");
    Ok(())
}

/// Why the folder of `plan` does not hold what `training` makes now; None where it does.
///
/// Without its checkpoints an export stands for itself, as long as the recipe is the same.
pub(super) fn why_stale(
    training: &TrainingPlan,
    plan: &ExportPlan,
) -> Result<Option<&'static str>, PipelineError> {
    let settings = &training.surroundings;
    let store = CheckpointStore::open(&settings.checkpoints, &settings.scratch)?;
    let newest = store.newest()?;
    let Some(provenance) = Provenance::read(&plan.folder) else {
        return Ok(Some(
            "its model is not exported; `splade-job run` does all phases",
        ));
    };
    let recipe = TrainingState::recipe_of(training);
    if provenance.state.recipe != recipe {
        return Ok(Some(
            "its export was made by another recipe; `splade-job run` brings it up to date",
        ));
    }
    let Some(checkpoint) = newest else {
        return Ok(None);
    };
    let state: TrainingState = checkpoint.state()?;
    if !state.is_finished() {
        return Ok(Some(
            "the training is not over; `splade-job train` finishes it",
        ));
    }
    let checkpoint =
        selected(&store, &state, checkpoint).map_err(|source| PipelineError::Training {
            name: training.name.clone(),
            source,
        })?;
    Ok(
        (provenance.weights_sha256 != checkpoint.weights_sha256()?).then_some(
            "its export is of an earlier training; `splade-job export` brings it up to date",
        ),
    )
}

/// Puts the scores of a model into its card, which the manifest vouches for, unless they stand there already.
pub(super) fn add_scores(
    training: &TrainingPlan,
    plan: &ExportPlan,
    scores: Vec<BenchmarkReport>,
) -> Result<(), PipelineError> {
    let Some(provenance) = Provenance::read(&plan.folder) else {
        return Ok(());
    };
    let text = card(training, &provenance, scores).markdown();
    let path = plan.folder.join("README.md");
    let io = |source| PipelineError::io(&path, source);
    if fs::read_to_string(&path).map_err(io)? == text {
        return Ok(());
    }
    // Sealing again must not vouch for weights that were damaged in between.
    let manifest = Manifest::verify(&plan.folder)?;
    fs::write(&path, text).map_err(io)?;
    Manifest::seal(&plan.folder, &manifest.names().collect::<Vec<_>>())
        .map(drop)
        .map_err(|error: CheckpointError| error.into())
}

fn card(
    training: &TrainingPlan,
    provenance: &Provenance,
    scores: Vec<BenchmarkReport>,
) -> ModelCard {
    ModelCard {
        name: training.name.clone(),
        base: training.recipe.model.folder.uri.clone(),
        recipe: provenance.state.recipe.clone(),
        triplets: provenance.triplets,
        steps: provenance.state.step,
        data_fingerprint: provenance.state.data_fingerprint.clone(),
        max_length: provenance.max_length,
        scores,
    }
}
