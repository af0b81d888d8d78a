//! Exporting a finished training, unless its very export is there already.

use super::run::PipelineError;
use crate::checkpoint::Manifest;
use crate::export::{ExportPlan, ModelCard, export};
use crate::training::{Finished, TrainingPlan, TrainingState};
use serde::{Deserialize, Serialize};
use splade_retrieval::BenchmarkReport;
use std::fs;
use std::path::{Path, PathBuf};

/// Beside the model: which run it came from.
const PROVENANCE: &str = "provenance.json";

/// What an exported model was made of, and how.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Provenance {
    state: TrainingState,
    triplets: usize,
    max_length: usize,
    dtype: String,
}

impl Provenance {
    fn of(finished: &Finished, plan: &ExportPlan) -> Self {
        Self {
            state: finished.state.clone(),
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

/// Writes the export of a finished training; true if it did, false if that was done before.
pub(super) fn export_finished(
    training: &TrainingPlan,
    plan: &ExportPlan,
    finished: &Finished,
) -> Result<bool, PipelineError> {
    let provenance = Provenance::of(finished, plan);
    if is_done(plan, &provenance) {
        tracing::info!(folder = %plan.folder.display(), "the export is there already");
        return Ok(false);
    }
    let card = card(
        &training.name,
        &training.recipe.model.folder,
        &provenance,
        Vec::new(),
    );
    export(&finished.model, plan, &card)?;
    write(&plan.folder.join(PROVENANCE), &provenance)?;
    tracing::info!(folder = %plan.folder.display(), "exported");
    Ok(true)
}

/// Puts the scores of a model into its card.
pub(super) fn add_scores(
    training: &TrainingPlan,
    plan: &ExportPlan,
    scores: Vec<BenchmarkReport>,
) -> Result<(), PipelineError> {
    let Some(provenance) = Provenance::read(&plan.folder) else {
        return Ok(());
    };
    let card = card(
        &training.name,
        &training.recipe.model.folder,
        &provenance,
        scores,
    );
    let path = plan.folder.join("README.md");
    fs::write(&path, card.markdown()).map_err(|source| PipelineError::io(&path, source))?;
    // The card is part of what the manifest vouches for.
    let manifest = Manifest::read(&plan.folder)?;
    Manifest::seal(&plan.folder, &manifest.names().collect::<Vec<_>>())?;
    Ok(())
}

fn card(
    name: &str,
    base: &Path,
    provenance: &Provenance,
    scores: Vec<BenchmarkReport>,
) -> ModelCard {
    ModelCard {
        name: name.to_owned(),
        base: base.display().to_string(),
        recipe: provenance.state.recipe.clone(),
        triplets: provenance.triplets,
        steps: provenance.state.step,
        data_fingerprint: provenance.state.data_fingerprint.clone(),
        max_length: provenance.max_length,
        scores,
    }
}

fn write(path: &PathBuf, content: &impl Serialize) -> Result<(), PipelineError> {
    let text = serde_json::to_vec_pretty(content).map_err(|source| PipelineError::Json {
        path: path.clone(),
        source,
    })?;
    fs::write(path, text).map_err(|source| PipelineError::io(path, source))
}
