//! What can be wrong with a model folder or a forward pass.

use std::path::{Path, PathBuf};

/// A fault of a model: of its folder, its weights or its use.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of the folder cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// `config.json` cannot be used.
    #[error("{path}: {what}", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The fault.
        what: String,
    },
    /// A safetensors file is damaged, or its tensors do not fit the configuration.
    #[error("{path}: {what}", path = path.display())]
    Weights {
        /// The file or folder.
        path: PathBuf,
        /// The fault, naming the tensor.
        what: String,
    },
    /// The tokenizer and the model belong to different vocabularies.
    #[error(
        "the tokenizer gives ids up to {highest_id}, but the model has only {vocab_size} embeddings: \
         use the tokenizer that the model was trained with"
    )]
    Vocabulary {
        /// Highest id that the tokenizer can give.
        highest_id: u32,
        /// Rows of the embedding.
        vocab_size: i64,
    },
    /// A row is longer than the model's positions.
    #[error("row {row} has {length} tokens, the model takes at most {most}")]
    TooLong {
        /// Index in the batch.
        row: usize,
        /// Its tokens.
        length: i64,
        /// The model's limit.
        most: i64,
    },
    /// A row or a batch without tokens.
    #[error("row {row} has no tokens")]
    EmptyRow {
        /// Index in the batch.
        row: usize,
    },
    /// libtorch refused.
    #[error(transparent)]
    Torch(#[from] tch::TchError),
    /// The bridge refused.
    #[error(transparent)]
    Native(#[from] splade_native::NativeError),
}

impl ModelError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn weights(path: &Path, what: impl Into<String>) -> Self {
        Self::Weights {
            path: path.to_owned(),
            what: what.into(),
        }
    }
}
