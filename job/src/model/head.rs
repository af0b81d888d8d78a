//! The masked language model head: a transform of each token, and a decoder onto the vocabulary.

use super::layers::{LayerNorm, Linear};
use super::weights::WeightSource;
use super::{Activation, BertFamily, ModelConfig, ModelError, Precision};
use tch::Tensor;

/// Dense layer, activation, norm, and a decoder that mostly shares the token embedding.
#[derive(Debug)]
pub(super) struct Head {
    dense: Linear,
    activation: Activation,
    norm: LayerNorm,
    /// `[vocabulary, width]`, `f32`.
    decoder: Tensor,
    /// `[vocabulary]`, `f32`.
    bias: Tensor,
    bias_name: &'static str,
}

/// Where a family keeps its head, and how it is shaped.
struct Shape {
    dense: &'static str,
    dense_bias: bool,
    norm: &'static str,
    norm_bias: bool,
    epsilon: f64,
    activation: Activation,
    decoder: &'static str,
    /// Names under which the decoder's bias is found, the canonical one first.
    biases: [&'static str; 2],
    width: i64,
    tied: bool,
}

impl Shape {
    fn of(config: &ModelConfig) -> Self {
        match config {
            ModelConfig::ModernBert(c) => Self {
                dense: "head.dense",
                dense_bias: c.classifier_bias,
                norm: "head.norm",
                norm_bias: c.norm_bias,
                epsilon: c.norm_eps,
                activation: c.classifier_activation,
                decoder: "decoder.weight",
                biases: ["decoder.bias", "decoder.bias"],
                width: c.hidden_size,
                tied: c.tie_word_embeddings,
            },
            ModelConfig::Bert(c) => {
                let (dense, norm, decoder, biases, activation) = match c.family {
                    BertFamily::Bert => (
                        "cls.predictions.transform.dense",
                        "cls.predictions.transform.LayerNorm",
                        "cls.predictions.decoder.weight",
                        ["cls.predictions.bias", "cls.predictions.decoder.bias"],
                        c.hidden_act,
                    ),
                    // RoBERTa's head is always GELU, whatever its layers use.
                    BertFamily::Roberta => (
                        "lm_head.dense",
                        "lm_head.layer_norm",
                        "lm_head.decoder.weight",
                        ["lm_head.bias", "lm_head.decoder.bias"],
                        Activation::Gelu,
                    ),
                };
                let (width, tied, epsilon) =
                    (c.hidden_size, c.tie_word_embeddings, c.layer_norm_eps);
                Self {
                    dense,
                    dense_bias: true,
                    norm,
                    norm_bias: true,
                    epsilon,
                    activation,
                    decoder,
                    biases,
                    width,
                    tied,
                }
            }
        }
    }
}

impl Head {
    pub(super) fn load(
        source: &mut WeightSource,
        config: &ModelConfig,
        embeddings: &Tensor,
    ) -> Result<Self, ModelError> {
        let shape = Shape::of(config);
        let dense = Linear::load(
            source,
            shape.dense,
            shape.width,
            shape.width,
            shape.dense_bias,
        )?;
        let norm = LayerNorm::load(
            source,
            shape.norm,
            shape.width,
            shape.epsilon,
            shape.norm_bias,
        )?;
        let decoder = if shape.tied {
            // A tied decoder may be stored as a copy of the embedding; one of the two is enough.
            source.discard(shape.decoder);
            embeddings.shallow_clone()
        } else {
            source.matrix(shape.decoder, &[config.vocab_size(), shape.width])?
        };
        let [canonical, alternative] = shape.biases;
        let stored = if source.has(canonical) || !source.has(alternative) {
            canonical
        } else {
            alternative
        };
        let bias = source.zeros(stored, &[config.vocab_size()])?;
        if stored != alternative {
            source.discard(alternative);
        }
        Ok(Self {
            dense,
            activation: shape.activation,
            norm,
            decoder,
            bias,
            bias_name: stored,
        })
    }

    /// What the decoder reads, `[tokens, width]`, in the compute type.
    pub(super) fn transform(&self, hidden: &Tensor, precision: Precision) -> Tensor {
        let activated = self
            .activation
            .apply(&self.dense.forward(hidden, precision));
        self.norm.forward(&activated).to_kind(precision.kind())
    }

    pub(super) fn decoder(&self) -> &Tensor {
        &self.decoder
    }

    pub(super) fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// Name of the decoder's bias among the parameters.
    pub(super) fn bias_name(&self) -> &'static str {
        self.bias_name
    }

    /// Divides all logits by `factor` (MLM-head rescaling, arXiv 2606.18811).
    ///
    /// The norm's output is divided rather than the decoder, which may be the token embedding itself.
    pub(super) fn rescale(&self, factor: f64) {
        tch::no_grad(|| {
            for tensor in [Some(self.norm.scale()), self.norm.shift(), Some(&self.bias)]
                .into_iter()
                .flatten()
            {
                let _ = tensor.shallow_clone().divide_scalar_(factor);
            }
        });
    }
}
