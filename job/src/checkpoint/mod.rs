//! Checkpoints: everything that a run needs to continue as if it had never stopped.
//!
//! ```text
//! <folder>/attempt-0003/step-00012000/{model.safetensors, optimizer-00000.safetensors, state.json, MANIFEST.json}
//! ```
//!
//! `MANIFEST.json` goes last and names the size and SHA-256 of every other file. A checkpoint without it, or
//! whose files do not match it, does not exist. Each start of a training writes under a new attempt, so that two
//! runs never write to one place.

mod manifest;
mod store;

pub use manifest::Manifest;
pub use store::{Attempt, Checkpoint, CheckpointStore};

use std::path::{Path, PathBuf};

/// A checkpoint that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// What the file system says.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The files are whole, but do not hold what a checkpoint holds.
    #[error("{path}: {what}", path = path.display())]
    Content {
        /// The file or folder.
        path: PathBuf,
        /// The fault.
        what: String,
    },
    /// The tensors cannot be written or read.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
}

impl CheckpointError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    fn content(path: &Path, what: impl ToString) -> Self {
        Self::Content {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }
}
