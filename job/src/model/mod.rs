//! Masked language models over packed batches, with a SPLADE-max head.
//!
//! A batch is packed: the tokens of all rows follow one another, and no pad token exists. Linear layers,
//! norms and the head see `[tokens, width]`; only attention looks at rows (see [`attention`]).

mod activation;
pub mod attention;
mod bert;
mod config;
mod error;
mod head;
mod init;
mod layers;
mod modernbert;
mod packed;
mod splade;
mod weights;

pub use config::{Activation, BertConfig, BertFamily, ModelConfig, ModernBertConfig};
pub use error::ModelError;
pub use init::{SmallModel, SpecialIds, initialise};
pub use packed::PackedRows;
pub use splade::{Precision, SpecialTokens, Splade, SpladeOptions};
pub(crate) use weights::weight_files;
pub use weights::{Parameters, StoredKind, read_safetensors, write_safetensors};
