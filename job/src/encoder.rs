//! Texts to sparse vectors, with a model and its tokenizer.

use crate::model::{ModelError, Precision, SpecialTokens, Splade, SpladeOptions};
use splade_data::{DataError, Tokenizer};
use splade_retrieval::SparseVector;
use std::path::Path;
use tch::Device;

/// Tokens that go through the model at once: enough to fill a machine, little enough for any.
const TOKENS_AT_ONCE: usize = 8192;

/// A text that cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The model or its folder.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokenizer or its folder.
    #[error(transparent)]
    Tokenizer(#[from] DataError),
    /// libtorch.
    #[error(transparent)]
    Torch(#[from] tch::TchError),
    /// The model gives values that are no weights.
    #[error(
        "text {index} of the batch gets a weight that is no number: the model's weights are damaged"
    )]
    Damaged {
        /// Index of the text in the call.
        index: usize,
    },
}

/// What is kept of a vector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pruning {
    /// The strongest terms kept; all where None.
    pub top_k: Option<usize>,
    /// Weights below this are dropped.
    pub threshold: f32,
}

/// A model ready to encode.
#[derive(Debug)]
pub struct TextEncoder {
    model: Splade,
    tokenizer: Tokenizer,
}

impl TextEncoder {
    /// Loads a Hugging Face folder. With `mask_special_tokens`, special tokens become neither terms nor
    /// positions of the maximum; without, vectors are those of sentence-transformers.
    ///
    /// # Errors
    /// A damaged folder, or a tokenizer of another vocabulary.
    pub fn open(
        folder: &Path,
        mask_special_tokens: bool,
        device: Device,
    ) -> Result<Self, EncodeError> {
        let tokenizer = Tokenizer::from_folder(folder)?;
        let special_tokens = if mask_special_tokens {
            SpecialTokens::Mask {
                terms: tokenizer.special_ids().to_vec(),
                positions: tokenizer.masked_position_ids().to_vec(),
            }
        } else {
            SpecialTokens::Keep
        };
        let options = SpladeOptions {
            precision: Precision::Float,
            special_tokens,
            device,
        };
        let model = Splade::from_folder(folder, options)?;
        let (highest_id, vocab_size) = (tokenizer.highest_id(), model.config().vocab_size());
        if i64::from(highest_id) >= vocab_size {
            return Err(ModelError::Vocabulary {
                highest_id,
                vocab_size,
            }
            .into());
        }
        Ok(Self { model, tokenizer })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Longest text that the model takes, in tokens.
    pub fn max_length(&self) -> usize {
        self.model.config().max_length() as usize
    }

    /// One vector a text, in order. Texts are cut after `max_length` tokens; a text without tokens gets an empty vector.
    ///
    /// # Errors
    /// libtorch out of memory, or a model that gives NaN.
    pub fn encode(
        &self,
        texts: &[&str],
        max_length: usize,
        pruning: Pruning,
    ) -> Result<Vec<SparseVector>, EncodeError> {
        encode(&self.model, &self.tokenizer, texts, max_length, pruning)
    }
}

/// As [`TextEncoder::encode`], with a model that belongs to someone else, such as a training.
///
/// # Errors
/// libtorch out of memory, or a model that gives NaN.
pub fn encode(
    model: &Splade,
    tokenizer: &Tokenizer,
    texts: &[&str],
    max_length: usize,
    pruning: Pruning,
) -> Result<Vec<SparseVector>, EncodeError> {
    let most = model.config().max_length() as usize;
    let tokens = tokenizer.encode_batch(texts, max_length.min(most))?;
    // Like lengths together: attention then has little to pad.
    let mut order: Vec<usize> = (0..texts.len())
        .filter(|&index| !tokens[index].is_empty())
        .collect();
    order.sort_by_key(|&index| tokens[index].len());
    let mut vectors = vec![SparseVector::default(); texts.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start;
        let mut total = 0;
        while end < order.len()
            && (end == start || total + tokens[order[end]].len() <= TOKENS_AT_ONCE)
        {
            total += tokens[order[end]].len();
            end += 1;
        }
        encode_rows(model, &tokens, &order[start..end], pruning, &mut vectors)?;
        start = end;
    }
    Ok(vectors)
}

fn encode_rows(
    model: &Splade,
    tokens: &[Vec<u32>],
    rows: &[usize],
    pruning: Pruning,
    vectors: &mut [SparseVector],
) -> Result<(), EncodeError> {
    let ids: Vec<i64> = rows
        .iter()
        .flat_map(|&row| &tokens[row])
        .map(|&id| i64::from(id))
        .collect();
    let lengths: Vec<i64> = rows.iter().map(|&row| tokens[row].len() as i64).collect();
    let batch = model.pack(&ids, &lengths)?;
    let dense = tch::no_grad(|| model.forward(&batch))?.to(Device::Cpu);
    for (place, &row) in rows.iter().enumerate() {
        let weights: Vec<f32> = Vec::try_from(&dense.get(place as i64))?;
        vectors[row] = prune(&weights, pruning).ok_or(EncodeError::Damaged { index: row })?;
    }
    Ok(())
}

/// The weights that are kept, as a sparse vector. None where one is not finite.
///
/// Among equal weights at the cut, the smaller ids stay.
fn prune(weights: &[f32], pruning: Pruning) -> Option<SparseVector> {
    let mut kept: Vec<(u32, f32)> = Vec::new();
    for (id, &weight) in weights.iter().enumerate() {
        if !weight.is_finite() {
            return None;
        }
        if weight > 0.0 && weight >= pruning.threshold {
            kept.push((id as u32, weight));
        }
    }
    if let Some(top_k) = pruning.top_k
        && kept.len() > top_k
    {
        kept.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        kept.truncate(top_k);
        kept.sort_by_key(|&(id, _)| id);
    }
    let (ids, values) = kept.into_iter().unzip();
    SparseVector::new(ids, values).ok()
}
