//! Checkpoints: everything that a run needs to continue as if it had never stopped.
//!
//! ```text
//! <location>/attempt-0003/step-00012000/{model.safetensors, optimizer-00000.safetensors, state.json, MANIFEST.json}
//! ```
//!
//! `MANIFEST.json` goes last and names the size and SHA-256 of every other file. A checkpoint without it, or
//! whose files do not match it, does not exist. Each start of a training writes under a new attempt, so that two
//! runs never write to one place. A [`Saver`] writes beside the training.

mod attempt;
mod manifest;
mod outage;
mod patience;
mod private;
mod saver;
mod snapshot;
mod store;
#[cfg(test)]
mod troubled;

pub use attempt::{Attempt, Companion, Start};
pub use manifest::Manifest;
pub use patience::Patience;
pub use saver::Saver;
pub use snapshot::Snapshot;
pub use store::{Checkpoint, CheckpointStore, WholeCheckpoint, open_hasty};

use splade_storage::StorageError;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// What the storage says.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The files are whole, but do not hold what a checkpoint holds.
    #[error("{place}: {what}")]
    Content {
        /// The file or folder.
        place: String,
        /// The fault.
        what: String,
    },
    /// The tensors cannot be written or read.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// Storage has failed for too long.
    #[error(
        "no checkpoint could be stored for {} s, which is the most that checkpoint.storageTimeoutSeconds allows \
         ({}): {last}. What is stored is kept, and the same command continues from there",
        since.as_secs(),
        limit.as_secs()
    )]
    Away {
        /// Since the first failure.
        since: Duration,
        /// The limit.
        limit: Duration,
        /// The newest failure.
        last: Box<CheckpointError>,
    },
    /// No number of an attempt could be claimed.
    #[error(
        "{place}: other starts have taken each of {claims} numbers of attempts that were tried in turn: look what starts \
         this training over and over"
    )]
    Contended {
        /// The checkpoints.
        place: String,
        /// Numbers that were tried.
        claims: usize,
    },
    /// The thread that writes has died.
    #[error("the thread that writes checkpoints has ended: {0}")]
    Lost(String),
}

impl CheckpointError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    fn content(place: impl Display, what: impl Display) -> Self {
        Self::Content {
            place: place.to_string(),
            what: what.to_string(),
        }
    }
}
