//! What a run starts from: initial weights, tokenizer, token shards.

use super::error::TrainingError;
use super::plan::{InitialWeights, ModelPlan, SpecialTokenPolicy, TrainingPlan};
use super::state::TrainingState;
use crate::checkpoint::CheckpointStore;
use crate::model::{SpecialTokens, Splade};
use splade_data::{PackedBatch, ShardSpec, Shards, Tokenizer};

/// Puts another run's weights, or those of a folder, in the place of the base model's.
pub(super) fn load_initial_weights(
    model: &Splade,
    weights: Option<&InitialWeights>,
) -> Result<(), TrainingError> {
    let folder = match weights {
        None => return Ok(()),
        Some(InitialWeights::Folder(folder)) => folder.clone(),
        Some(InitialWeights::Checkpoints(folder)) => {
            let not_over = || TrainingError::PhaseNotOver {
                checkpoints: folder.clone(),
            };
            let checkpoint = CheckpointStore::new(folder)
                .newest()?
                .ok_or_else(not_over)?;
            if !checkpoint.state::<TrainingState>()?.is_finished() {
                return Err(not_over());
            }
            checkpoint.folder
        }
    };
    Ok(model
        .parameters()
        .restore(&folder.join("model.safetensors"))?)
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
