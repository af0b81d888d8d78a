//! How long a launcher waits for what.

use std::time::Duration;

/// How long a launcher waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest time in which no report of a rank changes, and in which the nodes of a gang find each other.
    pub stall: Duration,
    /// Longest time between asking the ranks to leave and killing them.
    pub stop: Duration,
    /// Time between SIGTERM and SIGKILL for ranks of a gang that has failed: they hang in a collective, and have
    /// nothing to save that another has not.
    pub grace: Duration,
    /// Longest time between the end of rank 0 and that of the others.
    pub finish: Duration,
    /// Longest silence of another node's launcher before it counts as lost.
    pub silence: Duration,
}

impl Limits {
    /// The limits that follow from a manifest's `stallTimeoutSeconds` and `terminationTimeoutSeconds`. Of the latter a
    /// tenth, at most 10 s, stays for killing what did not leave and for saying so, before the pod itself is killed.
    pub fn new(stall_timeout: Duration, termination_timeout: Duration) -> Self {
        let margin = (termination_timeout / 10).min(Duration::from_secs(10));
        Self {
            stall: stall_timeout,
            stop: termination_timeout - margin,
            grace: Duration::from_secs(2),
            finish: Duration::from_secs(60),
            silence: Duration::from_secs(30),
        }
    }
}
