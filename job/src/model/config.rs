//! `config.json` of a Hugging Face masked language model: what its layers need, and the text itself for export.

use super::ModelError;
use serde::Deserialize;
use std::path::Path;

/// `config.json` is a few kilobytes; anything larger is not one.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// A supported architecture with its dimensions.
#[derive(Clone, Debug)]
pub enum ModelConfig {
    /// `ModernBertForMaskedLM`.
    ModernBert(ModernBertConfig),
    /// `BertForMaskedLM`, `RobertaForMaskedLM` or `XLMRobertaForMaskedLM`.
    Bert(BertConfig),
}

/// Activation of a feed-forward layer or a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x * Phi(x)`, exact.
    Gelu,
    /// GELU by the tanh approximation.
    #[serde(alias = "gelu_pytorch_tanh")]
    GeluNew,
    /// `max(x, 0)`.
    Relu,
    /// `x * sigmoid(x)`.
    Silu,
}

fn gelu() -> Activation {
    Activation::Gelu
}

fn yes() -> bool {
    true
}

/// Dimensions of a ModernBERT encoder (Warner et al., arXiv 2412.13663), fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct ModernBertConfig {
    /// Rows of the token embedding.
    pub vocab_size: i64,
    /// Width of the residual stream.
    pub hidden_size: i64,
    /// Width of one half of the gated feed-forward layer.
    pub intermediate_size: i64,
    /// Encoder layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: i64,
    /// Activation inside the feed-forward layers.
    #[serde(default = "gelu")]
    pub hidden_activation: Activation,
    /// Longest sequence, in tokens.
    pub max_position_embeddings: i64,
    /// Standard deviation of freshly initialised matrices.
    #[serde(default = "initializer_range")]
    pub initializer_range: f64,
    /// Added to the variance in layer norms.
    #[serde(default = "modernbert_norm_eps")]
    pub norm_eps: f64,
    /// Whether norms have a bias.
    #[serde(default)]
    pub norm_bias: bool,
    /// Whether attention projections have a bias.
    #[serde(default)]
    pub attention_bias: bool,
    /// Whether feed-forward projections have a bias.
    #[serde(default)]
    pub mlp_bias: bool,
    /// Whether the head's dense layer has a bias.
    #[serde(default)]
    pub classifier_bias: bool,
    /// Activation of the head.
    #[serde(default = "gelu")]
    pub classifier_activation: Activation,
    /// Whether the decoder has a bias.
    #[serde(default = "yes")]
    pub decoder_bias: bool,
    /// Total width of the local attention window, in tokens; a token sees half of it on either side.
    #[serde(default = "local_attention")]
    pub local_attention: i64,
    /// Every n-th layer attends globally (files of transformers 4).
    #[serde(default = "global_every")]
    global_attn_every_n_layers: usize,
    #[serde(default = "global_theta")]
    global_rope_theta: f64,
    #[serde(default = "local_theta")]
    local_rope_theta: f64,
    /// One entry a layer (files of transformers 5).
    layer_types: Option<Vec<LayerType>>,
    rope_parameters: Option<RopeParameters>,
    /// Whether the decoder shares the token embedding.
    #[serde(default = "yes")]
    pub tie_word_embeddings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LayerType {
    FullAttention,
    SlidingAttention,
}

#[derive(Clone, Debug, Deserialize)]
struct RopeParameters {
    full_attention: RopeTheta,
    sliding_attention: RopeTheta,
}

#[derive(Clone, Debug, Deserialize)]
struct RopeTheta {
    #[serde(default = "default_rope")]
    rope_type: String,
    rope_theta: f64,
}

fn default_rope() -> String {
    "default".into()
}
fn initializer_range() -> f64 {
    0.02
}
fn modernbert_norm_eps() -> f64 {
    1e-5
}
fn local_attention() -> i64 {
    128
}
fn global_every() -> usize {
    3
}
fn global_theta() -> f64 {
    160_000.0
}
fn local_theta() -> f64 {
    10_000.0
}

impl ModernBertConfig {
    /// Whether layer `layer` (from 0) attends over the whole sequence.
    pub fn is_global(&self, layer: usize) -> bool {
        match &self.layer_types {
            Some(types) => types.get(layer) == Some(&LayerType::FullAttention),
            None => layer.is_multiple_of(self.global_attn_every_n_layers),
        }
    }

    /// Base of the rotary embedding in global and in local layers.
    pub fn rope_theta(&self) -> (f64, f64) {
        match &self.rope_parameters {
            Some(rope) => (
                rope.full_attention.rope_theta,
                rope.sliding_attention.rope_theta,
            ),
            None => (self.global_rope_theta, self.local_rope_theta),
        }
    }
}

/// Where a BERT-like checkpoint keeps its tensors, and how positions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BertFamily {
    /// `bert.*` and `cls.predictions.*`; positions from 0.
    Bert,
    /// `roberta.*` and `lm_head.*`; positions from `pad_token_id + 1` (RoBERTa and XLM-R).
    Roberta,
}

/// Dimensions of a BERT, RoBERTa or XLM-R encoder, fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct BertConfig {
    /// Set from `model_type`.
    #[serde(skip, default = "bert_family")]
    pub family: BertFamily,
    /// Rows of the token embedding.
    pub vocab_size: i64,
    /// Width of the residual stream.
    pub hidden_size: i64,
    /// Width of the feed-forward layer.
    pub intermediate_size: i64,
    /// Encoder layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: i64,
    /// Activation of feed-forward layers and head.
    #[serde(default = "gelu")]
    pub hidden_act: Activation,
    /// Rows of the position embedding.
    pub max_position_embeddings: i64,
    /// Rows of the segment embedding.
    #[serde(default = "type_vocab_size")]
    pub type_vocab_size: i64,
    /// Standard deviation of freshly initialised matrices.
    #[serde(default = "initializer_range")]
    pub initializer_range: f64,
    /// Added to the variance in layer norms.
    #[serde(default = "bert_norm_eps")]
    pub layer_norm_eps: f64,
    /// Id of the pad token; RoBERTa counts positions from it.
    #[serde(default)]
    pub pad_token_id: i64,
    /// Whether the decoder shares the token embedding.
    #[serde(default = "yes")]
    pub tie_word_embeddings: bool,
}

/// RoBERTa's pad id where `config.json` names none, as in transformers.
const ROBERTA_PAD: i64 = 1;

fn bert_family() -> BertFamily {
    BertFamily::Bert
}
fn type_vocab_size() -> i64 {
    2
}
fn bert_norm_eps() -> f64 {
    1e-12
}

impl BertConfig {
    /// The position id of a sequence's first token.
    pub fn first_position(&self) -> i64 {
        match self.family {
            BertFamily::Bert => 0,
            BertFamily::Roberta => self.pad_token_id + 1,
        }
    }
}

impl ModelConfig {
    /// Reads `config.json` of a model folder.
    ///
    /// # Errors
    /// Missing or oversized file, broken JSON, an architecture that is not supported, impossible dimensions.
    pub fn from_folder(folder: &Path) -> Result<(Self, serde_json::Value), ModelError> {
        let path = folder.join("config.json");
        let fault = |what: String| ModelError::Config {
            path: path.clone(),
            what,
        };
        let size = std::fs::metadata(&path)
            .map_err(|source| ModelError::io(&path, source))?
            .len();
        if size > MAX_CONFIG_BYTES {
            return Err(fault(format!(
                "{size} bytes is too large for a model's config.json"
            )));
        }
        let text =
            std::fs::read_to_string(&path).map_err(|source| ModelError::io(&path, source))?;
        let json: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| fault(format!("line {}: {error}", error.line())))?;
        let config = Self::from_json(&json).map_err(fault)?;
        Ok((config, json))
    }

    /// Interprets the content of a `config.json`.
    ///
    /// # Errors
    /// As [`ModelConfig::from_folder`], as a message.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, String> {
        let model_type = json
            .get("model_type")
            .and_then(|value| value.as_str())
            .unwrap_or("");
        let bert = |family| -> Result<Self, String> {
            let mut config: BertConfig =
                serde_json::from_value(json.clone()).map_err(|error| error.to_string())?;
            config.family = family;
            if family == BertFamily::Roberta && json.get("pad_token_id").is_none() {
                config.pad_token_id = ROBERTA_PAD;
            }
            Ok(Self::Bert(config))
        };
        let config = match model_type {
            "modernbert" => Self::ModernBert(
                serde_json::from_value(json.clone()).map_err(|error| error.to_string())?,
            ),
            "bert" => bert(BertFamily::Bert)?,
            "roberta" | "xlm-roberta" => bert(BertFamily::Roberta)?,
            other => {
                return Err(format!(
                    "model_type {other:?} is not supported; supported are modernbert, bert, roberta, xlm-roberta"
                ));
            }
        };
        config.check(json)?;
        Ok(config)
    }

    fn check(&self, json: &serde_json::Value) -> Result<(), String> {
        let (width, heads, layers) = match self {
            Self::ModernBert(c) => (c.hidden_size, c.num_attention_heads, c.num_hidden_layers),
            Self::Bert(c) => (c.hidden_size, c.num_attention_heads, c.num_hidden_layers),
        };
        in_range("vocab_size", self.vocab_size(), 1 << 21)?;
        in_range("hidden_size", width, 1 << 15)?;
        in_range("num_hidden_layers", layers as i64, 512)?;
        in_range("num_attention_heads", heads, width)?;
        if width % heads != 0 || (matches!(self, Self::ModernBert(_)) && (width / heads) % 2 != 0) {
            return Err(format!(
                "hidden_size {width} does not split into {heads} heads"
            ));
        }
        self.check_sequence()?;
        if let Self::ModernBert(c) = self {
            if !c.decoder_bias {
                return Err(
                    "decoder_bias false is not supported: the SPLADE head needs the bias"
                        .to_owned(),
                );
            }
            if let Some(types) = &c.layer_types
                && types.len() != layers
            {
                return Err(format!(
                    "layer_types has {} entries for {layers} layers",
                    types.len()
                ));
            }
            if let Some(rope) = &c.rope_parameters {
                for scaled in [&rope.full_attention, &rope.sliding_attention] {
                    if scaled.rope_type != "default" {
                        return Err(format!("rope_type {:?} is not supported", scaled.rope_type));
                    }
                }
            }
        }
        if let Some(kind) = json
            .get("position_embedding_type")
            .and_then(|value| value.as_str())
            && kind != "absolute"
        {
            return Err(format!("position_embedding_type {kind:?} is not supported"));
        }
        Ok(())
    }

    /// Dimensions beside the layers' width: feed-forward, positions, segments.
    fn check_sequence(&self) -> Result<(), String> {
        const LONGEST: i64 = 1 << 20;
        const WIDEST: i64 = 1 << 18;
        match self {
            Self::ModernBert(c) => {
                in_range("intermediate_size", c.intermediate_size, WIDEST)?;
                in_range(
                    "max_position_embeddings",
                    c.max_position_embeddings,
                    LONGEST,
                )?;
                in_range("local_attention", c.local_attention, LONGEST)?;
                let every = i64::try_from(c.global_attn_every_n_layers).unwrap_or(i64::MAX);
                in_range("global_attn_every_n_layers", every, 512)
            }
            Self::Bert(c) => {
                in_range("intermediate_size", c.intermediate_size, WIDEST)?;
                in_range(
                    "max_position_embeddings",
                    c.max_position_embeddings,
                    LONGEST,
                )?;
                in_range("type_vocab_size", c.type_vocab_size, 1 << 10)?;
                if !(0..c.vocab_size).contains(&c.pad_token_id) {
                    return Err(format!(
                        "pad_token_id {} is not in 0..{}",
                        c.pad_token_id, c.vocab_size
                    ));
                }
                in_range(
                    "max_position_embeddings after the pad's",
                    self.max_length(),
                    LONGEST,
                )
            }
        }
    }

    /// Rows of the token embedding, which is the length of a sparse vector.
    pub fn vocab_size(&self) -> i64 {
        match self {
            Self::ModernBert(config) => config.vocab_size,
            Self::Bert(config) => config.vocab_size,
        }
    }

    /// Longest sequence the encoder takes, in tokens.
    pub fn max_length(&self) -> i64 {
        match self {
            Self::ModernBert(config) => config.max_position_embeddings,
            Self::Bert(config) => config.max_position_embeddings - config.first_position(),
        }
    }
}

fn in_range(name: &str, value: i64, most: i64) -> Result<(), String> {
    if (1..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("{name} {value} is not in 1..={most}"))
    }
}
