//! The model to start from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::reference::LocalReference;
use crate::schema::{above_zero, union};
use crate::storage_uri::StorageUri;

/// The model to start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelSpec {
    /// Hugging Face model folder (config.json, model.safetensors, tokenizer.json): `s3://...`,
    /// `file://...` or a path, for example on a mounted volume. It gives the architecture and the
    /// tokenizer, and the weights unless `initFrom` is set.
    pub base: StorageUri,
    /// Give special tokens ([CLS], [SEP], [PAD], [MASK]) no weight: neither their positions nor
    /// their vocabulary entries count, in training and in use alike. Switch off only to reproduce
    /// models that were trained without it.
    #[serde(default = "masked")]
    pub mask_special_tokens: bool,
    /// Divide the weights and bias of the masked-language-model head by this number before
    /// training, when the logits of the base model are too large to start from. Without it the
    /// head stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = above_zero()))]
    pub head_rescale: Option<Decimal>,
}

fn masked() -> bool {
    true
}

/// Weights to start from; exactly one member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = union)]
pub enum InitFrom {
    /// The final weights of another SpladeTraining: its exported model, or its last checkpoint when it exports none.
    /// This one waits until they are there, and fails when that one fails.
    TrainingRef(LocalReference),
    /// A folder with model.safetensors: a checkpoint or an exported model.
    Uri(StorageUri),
}
