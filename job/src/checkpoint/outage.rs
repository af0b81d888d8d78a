//! A time in which nothing can be stored.

use super::CheckpointError;
use splade_storage::StorageError;
use std::time::{Duration, Instant};

/// A time in which nothing can be stored, but may be again.
#[derive(Debug)]
pub(super) struct Outage {
    /// When the request began that failed first.
    since: Instant,
    /// The newest failure.
    last: CheckpointError,
}

impl Outage {
    /// The outage that a failure belongs to, which may go on since earlier.
    ///
    /// # Errors
    /// The failure itself, where waiting would not help. What a disk says does not change by that, and nobody gains from
    /// training on without it.
    pub(super) fn of(
        error: CheckpointError,
        earlier: Option<Self>,
    ) -> Result<Self, CheckpointError> {
        let waited = match &error {
            CheckpointError::Storage(StorageError::Unavailable { waited, .. }) => *waited,
            CheckpointError::Storage(StorageError::Io { .. }) => return Err(error),
            CheckpointError::Storage(_) => Duration::ZERO,
            _ => return Err(error),
        };
        let now = Instant::now();
        let began = now.checked_sub(waited).unwrap_or(now);
        Ok(Self {
            since: earlier.map_or(began, |earlier| earlier.since),
            last: error,
        })
    }

    /// Whether it lasts as long as it may.
    pub(super) fn lasts(&self, limit: Duration) -> bool {
        self.since.elapsed() >= limit
    }

    /// The error of one that lasts for too long.
    pub(super) fn too_long(self, limit: Duration) -> CheckpointError {
        CheckpointError::Away {
            since: self.since.elapsed(),
            limit,
            last: Box::new(self.last),
        }
    }

    /// Says that it lasts.
    pub(super) fn warn(&self) {
        let seconds = self.since.elapsed().as_secs();
        tracing::warn!(error = %self.last, seconds, "storage is away: training goes on and the checkpoint is tried again");
    }

    /// Says that it is over.
    pub(super) fn end(self) {
        let seconds = self.since.elapsed().as_secs();
        tracing::info!(seconds, "storage is back");
    }
}
