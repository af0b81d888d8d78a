//! The election: looks at the lease again and again, and says who leads.

use super::decision::{Move, Seen, decide};
use super::lease::{Held, LeaseClient, LeaseError};
use super::{Candidate, Leadership, Standing};
use crate::api::Calls;
use kube::Client;
use std::future::Future;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Takes part in the election until `stop` returns, then gives the lease back. The future has to be run beside what
/// asks the leadership.
pub fn elect<S: Future<Output = ()>>(
    client: Client,
    calls: &Calls,
    candidate: Candidate,
    stop: S,
) -> (Leadership, impl Future<Output = ()> + use<S>) {
    let (standing, leadership) = Leadership::channel();
    let election = Election {
        lease: LeaseClient::new(client, calls, candidate.clone()),
        candidate,
        begun: Instant::now(),
        standing,
        seen: None,
        held: None,
    };
    (leadership, election.run(stop))
}

struct Election {
    lease: LeaseClient,
    candidate: Candidate,
    begun: Instant,
    standing: watch::Sender<Standing>,
    seen: Option<Seen>,
    /// The lease as it was last read or written; None where it has to be read before anything is decided.
    held: Option<Held>,
}

impl Election {
    async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let began = Instant::now();
            let pause = match self.step(began).await {
                Ok(()) => self.candidate.timing.period,
                // A request that failed changes nothing, as a claim ends by itself; but a leader may save it.
                Err(error) => {
                    self.warn(&error);
                    self.candidate.timing.period / 5
                }
            };
            tokio::select! {
                () = &mut stop => return self.give_back().await,
                () = sleep_until(began + pause) => {}
            }
        }
    }

    /// One look at the lease, and one move.
    async fn step(&mut self, began: Instant) -> Result<(), LeaseError> {
        // A leader knows the lease from its last renewal; compare-and-set finds out if that is not so any more.
        let held = match self.held.take() {
            Some(held) => Some(held),
            None => self.lease.read().await?,
        };
        let now = self.begun.elapsed();
        self.seen = held
            .as_ref()
            .map(|held| Seen::update(self.seen.take(), held.record.clone(), now));
        let me = &self.candidate.identity;
        let written = match (decide(me, self.seen.as_ref(), now), &held) {
            (Move::Wait, _) => None,
            (Move::Create, _) | (_, None) => self.lease.create().await?,
            (Move::Renew | Move::Take, Some(held)) => self.lease.take(held).await?,
        };
        self.standing.send_modify(|standing| standing.known = true);
        match written {
            Some(held) => self.lead(held, began),
            // Another holds it, or was faster: what we believe to hold is not ours.
            None => self.follow(),
        }
        Ok(())
    }

    fn lead(&mut self, held: Held, began: Instant) {
        let until = began + self.candidate.timing.hold;
        let before = self.standing.send_replace(Standing {
            known: true,
            leads_until: Some(until),
        });
        if before.leads_until.is_none() {
            tracing::info!(identity = self.candidate.identity, "this process leads");
        }
        self.held = Some(held);
    }

    fn follow(&mut self) {
        let led = self.standing.borrow().leads_until.is_some();
        if led {
            tracing::warn!(
                identity = self.candidate.identity,
                "another process leads now"
            );
            self.standing
                .send_modify(|standing| standing.leads_until = None);
        }
    }

    fn warn(&self, error: &LeaseError) {
        let Candidate {
            namespace, name, ..
        } = &self.candidate;
        tracing::warn!(%error, namespace, lease = name, "the lease could not be read or renewed");
    }

    async fn give_back(mut self) {
        self.standing
            .send_modify(|standing| standing.leads_until = None);
        let held = self.held.take();
        let ours =
            held.filter(|held| held.record.holder.as_deref() == Some(&self.candidate.identity));
        if let Some(held) = ours
            && let Err(error) = self.lease.release(&held).await
        {
            tracing::warn!(%error, "the lease could not be given back; it ends by itself");
        }
    }
}
