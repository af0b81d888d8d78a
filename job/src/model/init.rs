//! A small ModernBERT with random weights, for experiments that start from nothing.

use super::splade::{Splade, SpladeOptions};
use super::{ModelError, Precision, SpecialTokens, StoredKind};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Shape of a new model. The defaults train in minutes on two CPU cores.
#[derive(Clone, Copy, Debug)]
pub struct SmallModel {
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: u32,
    /// Encoder layers; every third attends globally.
    pub layers: u32,
    /// Attention heads.
    pub heads: u32,
    /// Longest sequence, in tokens.
    pub max_length: u32,
    /// Seed of the random weights.
    pub seed: u32,
}

/// Ids of the tokens that a configuration names.
#[derive(Clone, Copy, Debug)]
pub struct SpecialIds {
    /// Padding.
    pub pad: u32,
    /// Start of a text.
    pub cls: u32,
    /// End of a text.
    pub sep: u32,
}

/// Deviation of the token embedding's components. With the identity head a token's own logit is then
/// `0.05 * hidden_size`, and that of an unrelated token has the deviation `0.05 * sqrt(hidden_size)`.
const EMBEDDING_DEVIATION: f64 = 0.05;
/// How many of its deviations an unrelated token's logit must reach to be active: about one of 700 does.
const ACTIVATION_THRESHOLD: f64 = 3.0;

/// Writes `config.json` and `model.safetensors` of a new model into `folder`; the same shape and seed give the same bytes.
///
/// The encoder is random, the head is not: its dense layer starts as the identity and the decoder's bias below zero, so
/// that a text first activates its own tokens, as BM25 sees it, and little else. From a random head every term would be
/// active, and the first thing a run had to learn would be what the shared embedding already knows.
///
/// `rarity` scales each token's embedding and its bias, `[vocabulary]`, 1 on average: an encoder's norm takes the scale
/// away, so it only says how strongly a token starts to speak for itself.
///
/// # Errors
/// An impossible shape, or what the file system says.
pub fn initialise(
    folder: &Path,
    shape: &SmallModel,
    ids: SpecialIds,
    rarity: &[f32],
) -> Result<(), ModelError> {
    let config = serde_json::json!({
        "model_type": "modernbert",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.hidden_size * 3 / 2,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "max_position_embeddings": shape.max_length,
        "hidden_activation": "gelu",
        "classifier_activation": "gelu",
        "norm_eps": 1e-5,
        "initializer_range": 0.02,
        "local_attention": 128,
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
        "attention_bias": false,
        "mlp_bias": false,
        "norm_bias": false,
        "classifier_bias": false,
        "decoder_bias": true,
        "tie_word_embeddings": true,
        "pad_token_id": ids.pad,
        "bos_token_id": ids.cls,
        "cls_token_id": ids.cls,
        "eos_token_id": ids.sep,
        "sep_token_id": ids.sep,
    });
    let options = SpladeOptions {
        precision: Precision::Float,
        special_tokens: SpecialTokens::Keep,
        device: Device::Cpu,
    };
    let model = Splade::random(config, i64::from(shape.seed), options)?;
    start_from_own_tokens(&model, rarity, f64::from(shape.hidden_size));
    model.save(folder, StoredKind::Float)
}

fn start_from_own_tokens(model: &Splade, rarity: &[f32], hidden_size: f64) {
    let rarity = Tensor::from_slice(rarity);
    for (name, parameter) in model.parameters().iter() {
        let mut parameter = parameter.shallow_clone();
        tch::no_grad(|| match name {
            "model.embeddings.tok_embeddings.weight" => {
                let _ = parameter.normal_(0.0, EMBEDDING_DEVIATION);
                let _ = parameter.g_mul_(&rarity.unsqueeze(1));
            }
            "head.dense.weight" => parameter.copy_(&Tensor::eye(
                parameter.size()[0],
                (Kind::Float, Device::Cpu),
            )),
            "decoder.bias" => {
                let deviation = EMBEDDING_DEVIATION * hidden_size.sqrt();
                parameter.copy_(&(&rarity * (-ACTIVATION_THRESHOLD * deviation)));
            }
            _ => {}
        });
    }
}
