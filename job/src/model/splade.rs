//! A SPLADE encoder: a masked language model whose logits are max-pooled into one sparse vector a text.

use super::bert::Bert;
use super::head::Head;
use super::modernbert::ModernBert;
use super::weights::{WeightSource, write_safetensors};
use super::{ModelConfig, ModelError, PackedRows, Parameters, StoredKind};
use splade_native::{PoolEngine, SpladePool};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Type of the matrix products. Norms, softmax, scores and losses are `f32` in either case, and so are the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// IEEE single precision.
    Float,
    /// bfloat16, as torch's autocast.
    BFloat16,
}

impl Precision {
    /// The tensor type of a matrix product.
    pub fn kind(self) -> Kind {
        match self {
            Self::Float => Kind::Float,
            Self::BFloat16 => Kind::BFloat16,
        }
    }
}

/// What the pool does with special tokens such as `[CLS]` and `[SEP]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecialTokens {
    /// They count like any other token, as the reference trains.
    Keep,
    /// They are no terms of the vocabulary, and their positions are left out of the maximum.
    Mask {
        /// Vocabulary ids that never become active, ascending.
        terms: Vec<u32>,
        /// Ids whose positions are left out of the maximum, ascending.
        positions: Vec<u32>,
    },
}

impl SpecialTokens {
    /// Which of these tokens the pool leaves out. None where it leaves out none.
    pub(super) fn masked_positions(&self, ids: &[i64]) -> Option<Vec<bool>> {
        match self {
            Self::Mask { positions, .. } if !positions.is_empty() => Some(
                ids.iter()
                    .map(|&id| {
                        u32::try_from(id).is_ok_and(|id| positions.binary_search(&id).is_ok())
                    })
                    .collect(),
            ),
            _ => None,
        }
    }

    fn masked_terms(&self, vocab_size: i64, device: Device) -> Option<Tensor> {
        match self {
            Self::Mask { terms, .. } if !terms.is_empty() => {
                let mut mask = vec![false; vocab_size as usize];
                for &term in terms {
                    if let Some(masked) = mask.get_mut(term as usize) {
                        *masked = true;
                    }
                }
                Some(Tensor::from_slice(&mask).to(device))
            }
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Encoder {
    ModernBert(Box<ModernBert>),
    Bert(Box<Bert>),
}

/// A masked language model with its SPLADE-max pool.
#[derive(Debug)]
pub struct Splade {
    config: ModelConfig,
    json: serde_json::Value,
    encoder: Encoder,
    head: Head,
    parameters: Parameters,
    special_tokens: SpecialTokens,
    masked_terms: Option<Tensor>,
    precision: Precision,
    device: Device,
}

/// How a model is put to use.
#[derive(Clone, Debug)]
pub struct SpladeOptions {
    /// Type of the matrix products.
    pub precision: Precision,
    /// What the pool does with special tokens.
    pub special_tokens: SpecialTokens,
    /// Where the weights live.
    pub device: Device,
}

impl Splade {
    /// Loads a Hugging Face folder. Tensors that the model does not have are reported as a warning.
    ///
    /// # Errors
    /// A damaged folder, or weights that do not fit its `config.json`.
    pub fn from_folder(folder: &Path, options: SpladeOptions) -> Result<Self, ModelError> {
        let (config, json) = ModelConfig::from_folder(folder)?;
        let source = WeightSource::from_folder(folder, options.device)?;
        let (model, unused) = Self::build(config, json, source, options)?;
        if !unused.is_empty() {
            tracing::warn!(folder = %folder.display(), tensors = ?unused, "the model has no place for these tensors of the folder; they are not used");
        }
        Ok(model)
    }

    /// Overwrites the weights with those of a Hugging Face folder of this architecture, whose files are read as
    /// [`Splade::from_folder`] reads them.
    ///
    /// # Errors
    /// A damaged folder, or weights of other shapes.
    pub fn load_weights(&self, folder: &Path) -> Result<(), ModelError> {
        let source = WeightSource::from_folder(folder, self.device)?;
        let options = SpladeOptions {
            precision: self.precision,
            special_tokens: SpecialTokens::Keep,
            device: self.device,
        };
        let (other, _) = Self::build(self.config.clone(), self.json.clone(), source, options)?;
        for ((_, ours), (_, theirs)) in self.parameters.iter().zip(other.parameters.iter()) {
            tch::no_grad(|| ours.shallow_clone().f_copy_(theirs))?;
        }
        Ok(())
    }

    /// A model with random weights, the same for the same `seed`.
    ///
    /// # Errors
    /// A `config.json` that is not supported.
    pub(super) fn random(
        json: serde_json::Value,
        seed: i64,
        options: SpladeOptions,
    ) -> Result<Self, ModelError> {
        let config = ModelConfig::from_json(&json).map_err(|what| ModelError::Config {
            path: "config.json".into(),
            what,
        })?;
        let deviation = match &config {
            ModelConfig::ModernBert(config) => config.initializer_range,
            ModelConfig::Bert(config) => config.initializer_range,
        };
        tch::manual_seed(seed);
        let source = WeightSource::random(deviation, options.device);
        Ok(Self::build(config, json, source, options)?.0)
    }

    fn build(
        config: ModelConfig,
        json: serde_json::Value,
        mut source: WeightSource,
        options: SpladeOptions,
    ) -> Result<(Self, Vec<String>), ModelError> {
        let encoder = match &config {
            ModelConfig::ModernBert(config) => Encoder::ModernBert(Box::new(ModernBert::load(
                &mut source,
                config,
                options.device,
            )?)),
            ModelConfig::Bert(config) => Encoder::Bert(Box::new(Bert::load(&mut source, config)?)),
        };
        let embeddings = match &encoder {
            Encoder::ModernBert(encoder) => encoder.embeddings(),
            Encoder::Bert(encoder) => encoder.embeddings(),
        };
        let head = Head::load(&mut source, &config, embeddings)?;
        let (parameters, unused) = source.finish();
        let masked_terms = options
            .special_tokens
            .masked_terms(config.vocab_size(), options.device);
        let SpladeOptions {
            precision,
            special_tokens,
            device,
        } = options;
        Ok((
            Self {
                config,
                json,
                encoder,
                head,
                parameters,
                special_tokens,
                masked_terms,
                precision,
                device,
            },
            unused,
        ))
    }

    /// The architecture.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The trainable tensors.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Where the weights live.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Divides all logits by `factor` once, before training (see `model.headRescale`).
    pub fn rescale_head(&self, factor: f64) {
        self.head.rescale(factor);
    }

    /// Packs token rows (ids one after another, and the length of each row) for this model.
    ///
    /// # Errors
    /// Empty rows, and rows longer than the model's positions.
    pub fn pack(&self, ids: &[i64], lengths: &[i64]) -> Result<PackedRows, ModelError> {
        PackedRows::new(
            ids,
            lengths,
            self.config.max_length(),
            &self.special_tokens,
            self.device,
        )
    }

    /// Final hidden states, `[tokens, width]`, `f32`.
    ///
    /// # Errors
    /// libtorch out of memory.
    pub fn hidden_states(&self, batch: &PackedRows) -> Result<Tensor, ModelError> {
        match &self.encoder {
            Encoder::ModernBert(encoder) => encoder.forward(batch, self.precision),
            Encoder::Bert(encoder) => encoder.forward(batch, self.precision),
        }
    }

    /// Logits of every token, `[tokens, vocabulary]`, `f32`. Large: training and encoding pool instead.
    ///
    /// # Errors
    /// libtorch out of memory.
    pub fn logits(&self, batch: &PackedRows) -> Result<Tensor, ModelError> {
        let kind = self.precision.kind();
        let transformed = self
            .head
            .transform(&self.hidden_states(batch)?, self.precision);
        let logits = transformed.f_linear(&self.head.decoder().to_kind(kind), None::<&Tensor>)?;
        Ok(logits.to_kind(Kind::Float) + self.head.bias())
    }

    /// Sparse representations, `[rows, vocabulary]`, `f32`, differentiable.
    ///
    /// # Errors
    /// libtorch out of memory.
    pub fn forward(&self, batch: &PackedRows) -> Result<Tensor, ModelError> {
        let hidden = self.hidden_states(batch)?;
        Ok(SpladePool {
            hidden: &self.head.transform(&hidden, self.precision),
            weight: &self.head.decoder().to_kind(self.precision.kind()),
            bias: self.head.bias(),
            offsets: &batch.offsets,
            masked_positions: batch.masked_positions.as_ref(),
            masked_terms: self.masked_terms.as_ref(),
        }
        .forward(PoolEngine::Automatic)?)
    }

    /// Writes `config.json` and `model.safetensors` as `transformers` loads them.
    ///
    /// Terms that the pool masks get a bias of minus 10,000, so that any software sees them inactive.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, folder: &Path, kind: StoredKind) -> Result<(), ModelError> {
        let bias = self
            .masked_terms
            .as_ref()
            .map(|mask| tch::no_grad(|| self.head.bias().masked_fill(mask, -1e4)));
        let named = self.parameters.iter().map(|(name, tensor)| match &bias {
            Some(bias) if name == self.head.bias_name() => (name.to_owned(), bias),
            _ => (name.to_owned(), tensor),
        });
        write_safetensors(&folder.join("model.safetensors"), named, kind)?;
        // Last, so that what is half-written does not look like a model.
        let path = folder.join("config.json");
        let text = serde_json::to_string_pretty(&self.exported_config(kind)).map_err(|error| {
            ModelError::Config {
                path: path.clone(),
                what: error.to_string(),
            }
        })?;
        std::fs::write(&path, text + "\n").map_err(|source| ModelError::io(&path, source))
    }

    fn exported_config(&self, kind: StoredKind) -> serde_json::Value {
        let (architecture, dtype) = match (&self.config, kind) {
            (ModelConfig::ModernBert(_), kind) => ("ModernBertForMaskedLM", kind),
            (ModelConfig::Bert(config), kind) => {
                match (config.family, self.json["model_type"].as_str()) {
                    (super::BertFamily::Bert, _) => ("BertForMaskedLM", kind),
                    (_, Some("xlm-roberta")) => ("XLMRobertaForMaskedLM", kind),
                    _ => ("RobertaForMaskedLM", kind),
                }
            }
        };
        let dtype = match dtype {
            StoredKind::Float => "float32",
            StoredKind::BFloat16 => "bfloat16",
        };
        let mut json = self.json.clone();
        if let Some(object) = json.as_object_mut() {
            object.insert("architectures".into(), serde_json::json!([architecture]));
            object.insert("dtype".into(), dtype.into());
            // transformers 4 reads this older name of the same setting.
            object.insert("torch_dtype".into(), dtype.into());
        }
        json
    }
}
