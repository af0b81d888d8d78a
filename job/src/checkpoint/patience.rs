//! How long a run waits for its storage.

use std::time::Duration;

/// For one request with all its tries: whoever stores checkpoints tries again by itself.
pub(super) const REQUEST_DEADLINE: Duration = Duration::from_secs(180);
/// After this long training goes on beside what is being stored.
const SLOW: Duration = Duration::from_secs(10);

/// How long a run waits for its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Without anything stored, before the run ends.
    pub away: Duration,
    /// For one checkpoint on its way, before training goes on beside it.
    pub slow: Duration,
    /// When the last checkpoint is stored, for old ones to be removed and for logs.
    pub tidying: Duration,
}

impl Patience {
    /// Of a run whose storage may be away for so long.
    pub fn new(away: Duration) -> Self {
        Self {
            away,
            slow: SLOW,
            tidying: REQUEST_DEADLINE,
        }
    }

    /// The longest that storage which hangs holds a run up: a request that has not failed yet keeps it from knowing.
    pub fn longest(&self) -> Duration {
        self.away.max(REQUEST_DEADLINE) + self.tidying
    }
}
