//! What a run starts from: initial weights, tokenizer, token shards.

use super::error::TrainingError;
use super::plan::{InitialWeights, LossPlan, ModelPlan, SpecialTokenPolicy, TrainingPlan};
use super::state::TrainingState;
use crate::checkpoint::{Checkpoint, CheckpointStore};
use crate::digest::ContentDigest;
use crate::model::{SpecialTokens, Splade, weight_files};
use splade_data::{PackedBatch, ShardSpec, Shards, Tokenizer};
use std::path::{Path, PathBuf};

/// Puts another run's weights, or those of a folder, in the place of the base model's.
pub(super) fn load_initial_weights(
    model: &Splade,
    weights: Option<&InitialWeights>,
) -> Result<(), TrainingError> {
    match weights {
        None => {}
        Some(InitialWeights::Folder(folder)) => model.load_weights(folder)?,
        Some(InitialWeights::Checkpoints(folder)) => {
            phase_before(folder)?.restore_model(model.parameters())?;
        }
    }
    Ok(())
}

/// The last checkpoint of a training that must be over.
fn phase_before(checkpoints: &Path) -> Result<Checkpoint, TrainingError> {
    let not_over = || TrainingError::PhaseNotOver {
        checkpoints: checkpoints.to_owned(),
    };
    let checkpoint = CheckpointStore::new(checkpoints)
        .newest()?
        .ok_or_else(not_over)?;
    if !checkpoint.state::<TrainingState>()?.is_finished() {
        return Err(not_over());
    }
    Ok(checkpoint)
}

/// Digest of what the weights are at step 0: a run whose base has changed is another run.
pub(super) fn starting_point(plan: &ModelPlan) -> Result<String, TrainingError> {
    let mut digest = ContentDigest::default();
    let mut add = |path: PathBuf| {
        digest
            .add_file(&path)
            .map_err(|source| crate::model::ModelError::Io { path, source })
    };
    add(plan.folder.join("config.json"))?;
    match &plan.weights {
        Some(InitialWeights::Checkpoints(folder)) => {
            digest.add(phase_before(folder)?.weights_sha256()?);
        }
        Some(InitialWeights::Folder(folder)) => {
            weight_files(folder)?
                .into_iter()
                .try_for_each(|path| add(path).map(drop))?;
        }
        None => {
            weight_files(&plan.folder)?
                .into_iter()
                .try_for_each(|path| add(path).map(drop))?;
        }
    }
    Ok(digest.finish())
}

/// Whether every triplet has the teacher scores that the loss needs.
pub(super) fn check_teacher_scores(plan: &LossPlan, shards: &Shards) -> Result<(), TrainingError> {
    let Some(field) = plan.needs_teacher_scores() else {
        return Ok(());
    };
    match shards.first_unscored()? {
        Some(index) => Err(TrainingError::NoTeacherScores {
            field,
            triplet: index + 1,
        }),
        None => Ok(()),
    }
}

/// The tokenizer as this policy wants texts encoded.
pub(super) fn load_tokenizer(plan: &ModelPlan) -> Result<Tokenizer, TrainingError> {
    let tokenizer = Tokenizer::from_folder(&plan.folder)?;
    Ok(match plan.special_tokens {
        SpecialTokenPolicy::Omit => tokenizer.omitting_special_tokens(),
        SpecialTokenPolicy::Keep => tokenizer,
    })
}

/// What the model masks under this policy.
pub(super) fn special_tokens(policy: SpecialTokenPolicy, tokenizer: &Tokenizer) -> SpecialTokens {
    match policy {
        SpecialTokenPolicy::Keep => SpecialTokens::Keep,
        SpecialTokenPolicy::Omit => SpecialTokens::Mask {
            terms: tokenizer.special_ids().to_vec(),
            positions: tokenizer.masked_position_ids().to_vec(),
        },
    }
}

/// Whether tokenizer, lengths and model belong together.
pub(super) fn check_fit(
    model: &Splade,
    tokenizer: &Tokenizer,
    plan: &TrainingPlan,
) -> Result<(), TrainingError> {
    let highest_id = tokenizer.highest_id();
    let vocab_size = model.config().vocab_size();
    if i64::from(highest_id) >= vocab_size {
        return Err(crate::model::ModelError::Vocabulary {
            highest_id,
            vocab_size,
        }
        .into());
    }
    let data = &plan.recipe.data;
    let most = model.config().max_length();
    for (field, asked) in [
        ("data.queryMaxLength", data.query_max_length),
        ("data.documentMaxLength", data.document_max_length),
    ] {
        if asked as i64 > most {
            return Err(TrainingError::TooLong { field, asked, most });
        }
    }
    Ok(())
}

/// The token shards of these files, made if they do not exist yet.
pub(super) fn open_shards(
    plan: &TrainingPlan,
    globs: &[String],
    tokenizer: &Tokenizer,
) -> Result<Shards, TrainingError> {
    let data = &plan.recipe.data;
    let spec = ShardSpec {
        files: splade_data::expand(globs)?,
        query_max_length: data.query_max_length,
        document_max_length: data.document_max_length,
        hard_negatives: data.hard_negatives,
    };
    let mut progress = |triplets: u64| tracing::debug!(triplets, "tokenising");
    Ok(Shards::open_or_build(
        &spec,
        tokenizer,
        &plan.surroundings.shard_cache,
        &mut progress,
    )?)
}

/// These triplets, packed.
pub(super) fn collate(shards: &Shards, triplets: &[u32]) -> Result<PackedBatch, TrainingError> {
    let examples = triplets
        .iter()
        .map(|&index| shards.example(index as usize))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(PackedBatch::collate(&examples)?)
}
