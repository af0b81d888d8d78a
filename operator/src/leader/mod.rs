//! Leader election by compare-and-set on a Lease.
//!
//! Every write of the operator asks [`Leadership::claim`] first. A claim ends by this process's own clock, before any
//! other candidate may take the lease, so a leader that is cut off from the API server stops by itself.

mod decision;
mod election;
mod lease;

pub use decision::Timing;
pub use election::elect;
pub use lease::LeaseError;

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Which lease is fought for, by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Name of this process; no two that run at once share one.
    pub identity: String,
    /// How long things may take.
    pub timing: Timing,
}

/// This process may not write: another may lead now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process does not lead any more, so it writes nothing")]
pub struct NotLeading;

/// What is known of the lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    /// The lease has been read or written at least once.
    known: bool,
    /// Until when this process leads.
    leads_until: Option<Instant>,
}

/// Whether this process leads. Clones share one state.
#[derive(Clone, Debug)]
pub struct Leadership {
    standing: watch::Receiver<Standing>,
}

impl Leadership {
    /// The state, and where the election puts it.
    fn channel() -> (watch::Sender<Standing>, Self) {
        let (sender, standing) = watch::channel(Standing::default());
        (sender, Self { standing })
    }

    /// Of an election that nobody holds.
    #[cfg(test)]
    pub(crate) fn unknown() -> Self {
        Self::channel().1
    }

    /// Whether this process leads at this moment.
    ///
    /// # Errors
    /// It does not.
    pub fn claim(&self) -> Result<(), NotLeading> {
        let until = self.standing.borrow().leads_until;
        match until {
            Some(until) if Instant::now() < until => Ok(()),
            _ => Err(NotLeading),
        }
    }

    /// Whether it is known who leads: this process or another.
    pub fn is_known(&self) -> bool {
        self.standing.borrow().known
    }

    /// Returns once this process leads. Never returns after the election has ended.
    pub async fn won(&mut self) {
        loop {
            if self.claim().is_ok() {
                return;
            }
            if self.standing.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns once this process leads no more.
    pub async fn lost(&mut self) {
        loop {
            let until = self.standing.borrow_and_update().leads_until;
            let Some(until) = until else { return };
            tokio::select! {
                () = sleep_until(until) => {
                    if self.claim().is_err() {
                        return;
                    }
                }
                changed = self.standing.changed() => {
                    if changed.is_err() {
                        sleep_until(until).await;
                        return;
                    }
                }
            }
        }
    }
}

/// How long a request for the lease may take: a leader whose request hangs has time for a second one.
fn request_limit(timing: Timing) -> Duration {
    timing.period.min(timing.hold / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_claim_ends_by_itself() {
        let (sender, mut leadership) = Leadership::channel();
        assert_eq!(leadership.claim(), Err(NotLeading));
        assert!(!leadership.is_known());
        sender.send_replace(Standing {
            known: true,
            leads_until: Some(Instant::now() + Duration::from_secs(10)),
        });
        leadership.won().await;
        assert!(leadership.is_known());
        let begun = Instant::now();
        leadership.lost().await;
        assert_eq!(begun.elapsed().as_secs(), 10);
        assert_eq!(leadership.claim(), Err(NotLeading));
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_prolongs_a_claim() {
        let (sender, mut leadership) = Leadership::channel();
        let begun = Instant::now();
        let until = |seconds| Standing {
            known: true,
            leads_until: Some(begun + Duration::from_secs(seconds)),
        };
        sender.send_replace(until(10));
        let renewing = async {
            sleep_until(begun + Duration::from_secs(5)).await;
            sender.send_replace(until(15));
        };
        tokio::join!(leadership.lost(), renewing);
        assert_eq!(begun.elapsed().as_secs(), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn giving_up_ends_a_claim_at_once() {
        let (sender, mut leadership) = Leadership::channel();
        let begun = Instant::now();
        sender.send_replace(Standing {
            known: true,
            leads_until: Some(begun + Duration::from_secs(10)),
        });
        let giving_up = async {
            sender.send_modify(|standing| standing.leads_until = None);
        };
        tokio::join!(leadership.lost(), giving_up);
        assert_eq!(begun.elapsed().as_secs(), 0);
    }
}
