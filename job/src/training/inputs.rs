//! What a run starts from: initial weights, tokenizer, token shards.

use super::error::TrainingError;
use super::plan::{InitialWeights, Input, LossPlan, ModelPlan, SpecialTokenPolicy, TrainingPlan};
use super::result::selected;
use super::state::TrainingState;
use super::step::MicroBatch;
use crate::checkpoint::{Checkpoint, CheckpointStore};
use crate::digest::ContentDigest;
use crate::model::{SpecialTokens, Splade, SpladeOptions, weight_files};
use splade_data::{BatchTexts, PackedBatch, ShardSpec, Shards, Tokenizer};
use splade_storage::Location;
use std::path::PathBuf;
use tch::Device;

/// Puts another run's weights, or those of a folder, in the place of the base model's.
pub(super) fn load_initial_weights(
    model: &Splade,
    plan: &TrainingPlan,
) -> Result<(), TrainingError> {
    match &plan.recipe.model.weights {
        None => {}
        Some(InitialWeights::Folder(folder)) => model.load_weights(&folder.path)?,
        Some(InitialWeights::Checkpoints(location)) => phase_before(location, plan)?
            .whole()?
            .restore_model(model.parameters())?,
    }
    Ok(())
}

/// The result of a training that must be over: its best checkpoint where it has selected one, else its last.
fn phase_before(location: &Location, plan: &TrainingPlan) -> Result<Checkpoint, TrainingError> {
    let not_over = || TrainingError::PhaseNotOver {
        checkpoints: location.to_string(),
    };
    let store = CheckpointStore::open(location, &plan.surroundings.scratch)?;
    let newest = store.newest()?.ok_or_else(not_over)?;
    let state: TrainingState = newest.state()?;
    if !state.is_finished() {
        return Err(not_over());
    }
    selected(&store, &state, newest)
}

/// Digest of what the weights are at step 0: a run whose base has changed is another run.
pub(super) fn starting_point(training: &TrainingPlan) -> Result<String, TrainingError> {
    let plan = &training.recipe.model;
    let mut digest = ContentDigest::default();
    let mut add = |path: PathBuf| {
        digest
            .add_file(&path)
            .map_err(|source| crate::model::ModelError::Io { path, source })
    };
    add(plan.folder.path.join("config.json"))?;
    match &plan.weights {
        Some(InitialWeights::Checkpoints(location)) => {
            digest.add(phase_before(location, training)?.weights_sha256()?);
        }
        Some(InitialWeights::Folder(folder)) => {
            weight_files(&folder.path)?
                .into_iter()
                .try_for_each(|path| add(path).map(drop))?;
        }
        None => {
            weight_files(&plan.folder.path)?
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
    let tokenizer = Tokenizer::from_folder(&plan.folder.path)?;
    Ok(match plan.special_tokens {
        SpecialTokenPolicy::Omit => tokenizer.omitting_special_tokens(),
        SpecialTokenPolicy::Keep => tokenizer,
    })
}

/// What the model masks under this policy.
fn special_tokens(policy: SpecialTokenPolicy, tokenizer: &Tokenizer) -> SpecialTokens {
    match policy {
        SpecialTokenPolicy::Keep => SpecialTokens::Keep,
        SpecialTokenPolicy::Omit => SpecialTokens::Mask {
            terms: tokenizer.special_ids().to_vec(),
            positions: tokenizer.masked_position_ids().to_vec(),
        },
    }
}

/// Whether tokenizer, lengths and model belong together.
fn check_fit(
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

/// The model in the base's weights, with which tokenizer and lengths must fit.
pub(super) fn open_model(
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
    let model = Splade::from_folder(&recipe.model.folder.path, options)?;
    check_fit(&model, tokenizer, plan)?;
    Ok(model)
}

/// The token shards of these files, made if they do not exist yet.
pub(super) fn open_shards(
    plan: &TrainingPlan,
    globs: &[Input],
    tokenizer: &Tokenizer,
) -> Result<Shards, TrainingError> {
    let data = &plan.recipe.data;
    let globs: Vec<String> = globs
        .iter()
        .map(|input| input.path.to_string_lossy().into_owned())
        .collect();
    let spec = ShardSpec {
        files: splade_data::expand(&globs)?,
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

/// The triplets of one micro-batch by rank: those of rank `own` packed, and of the others what the loss asks for.
pub(super) fn collate(
    shards: &Shards,
    by_rank: &[Vec<u32>],
    own: usize,
    plan: &LossPlan,
) -> Result<MicroBatch, TrainingError> {
    let read = by_rank[own]
        .iter()
        .map(|&index| shards.example(index as usize))
        .collect::<Result<Vec<_>, _>>()?;
    let rows = PackedBatch::collate(&read)?;
    if !plan.is_shared() {
        let texts = vec![rows.texts.clone()];
        return Ok(MicroBatch {
            rows,
            texts,
            own: 0,
        });
    }
    let texts_of = |triplets: &Vec<u32>| -> Result<BatchTexts, TrainingError> {
        let examples = triplets
            .iter()
            .map(|&index| shards.example_without_tokens(index as usize))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(BatchTexts::of(&examples))
    };
    let texts = by_rank.iter().map(texts_of).collect::<Result<_, _>>()?;
    Ok(MicroBatch { rows, texts, own })
}
