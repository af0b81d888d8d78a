//! Writes checkpoints beside the training, and keeps trying while storage is away.

use super::outage::Outage;
use super::patience::Patience;
use super::{Attempt, CheckpointError, Snapshot};
use splade_telemetry::spans::{self, within};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracing::Span;

/// Wait before the second try at a storage that is away; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Between two signs of life of who waits for the storage.
const BEAT: Duration = Duration::from_secs(1);
/// Between two looks whether all is stored.
const LOOK: Duration = Duration::from_millis(20);
/// Longest wait before a try.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A thread that stores snapshots in their order.
#[derive(Debug)]
pub struct Saver {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    attempt: u32,
    patience: Patience,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Snapshots to store.
    waiting: VecDeque<Waiting>,
    work: Work,
    /// Storage fails.
    away: Option<Outage>,
    /// What ended the thread before its time.
    failed: Option<CheckpointError>,
    /// Place and step of the newest checkpoint that is stored.
    newest: Option<(String, u64)>,
    closing: bool,
}

/// What the thread does.
#[derive(Clone, Copy, Debug, Default)]
enum Work {
    /// It waits for a snapshot.
    #[default]
    Nothing,
    /// It has been storing one since then.
    Storing(Instant),
    /// It removes old checkpoints and stores the logs, since then.
    Tidying(Instant),
}

impl State {
    fn has_room(&self) -> bool {
        self.waiting.is_empty() && matches!(self.work, Work::Nothing)
    }

    fn has_all_stored(&self) -> bool {
        self.waiting.is_empty() && !matches!(self.work, Work::Storing(_))
    }

    /// Whether the thread has been at one thing for so long.
    fn is_slower_than(&self, limit: Duration) -> bool {
        match self.work {
            Work::Nothing => false,
            Work::Storing(since) | Work::Tidying(since) => since.elapsed() >= limit,
        }
    }
}

#[derive(Debug)]
struct Waiting {
    snapshot: Snapshot,
    /// The best checkpoint as it stood then, by attempt and step.
    best: Option<(u32, u64)>,
    /// The span of the trace in which it was taken.
    span: Span,
}

impl Saver {
    /// A thread for the checkpoints of this attempt.
    ///
    /// # Errors
    /// No thread to be had.
    pub fn start(attempt: Attempt, patience: Patience) -> Result<Self, CheckpointError> {
        let shared = Arc::new(Shared::default());
        let number = attempt.number();
        let work = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("checkpoints".into())
            .spawn(move || work.run(&attempt, patience.away))
            .map_err(|error| CheckpointError::Lost(error.to_string()))?;
        Ok(Self {
            shared,
            thread: Some(thread),
            attempt: number,
            patience,
        })
    }

    /// The attempt that it writes for.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Waits until a snapshot may be handed over: until the one before is stored, or storage is away or slow. So there
    /// are no more than a few in memory, and none is left out while storage keeps up. Calls `beat` while it waits.
    ///
    /// # Errors
    /// The reason why the thread has ended.
    pub fn wait_for_room(&self, beat: &dyn Fn()) -> Result<(), CheckpointError> {
        let mut state = self.shared.lock();
        while !state.has_room()
            && !state.is_slower_than(self.patience.slow)
            && state.away.is_none()
            && state.failed.is_none()
        {
            beat();
            state = self.shared.wait_for(state, BEAT);
        }
        self.take_failure(&mut state)
    }

    /// Hands a snapshot over. Where others wait, because storage is away or slow, it takes their place, but for that of
    /// the best one.
    pub fn save(&self, snapshot: Snapshot, best: Option<(u32, u64)>) {
        let mut state = self.shared.lock();
        let is_best = snapshot.is_best;
        state
            .waiting
            .retain(|waiting| waiting.snapshot.is_best && !is_best);
        state.waiting.push_back(Waiting {
            snapshot,
            best,
            span: Span::current(),
        });
        self.shared.changed.notify_all();
    }

    /// Place and step of the newest checkpoint that is stored.
    pub fn newest(&self) -> Option<(String, u64)> {
        self.shared.lock().newest.clone()
    }

    /// Looks whether the thread still works, and storage has not been away for too long.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check(&self) -> Result<(), CheckpointError> {
        self.take_failure(&mut self.shared.lock())
    }

    /// Waits until everything is stored, as long as storage may be away, and calls `beat` meanwhile; gives place and
    /// step of the newest checkpoint.
    ///
    /// # Errors
    /// The reason why something could not be stored.
    pub fn finish(mut self, beat: &dyn Fn()) -> Result<Option<(String, u64)>, CheckpointError> {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        let mut all_stored = None;
        while self
            .thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
        {
            beat();
            let mut state = self.shared.lock();
            self.take_failure(&mut state)?;
            // The checkpoints are what counts: others wait for this rank.
            if state.has_all_stored()
                && all_stored.get_or_insert_with(Instant::now).elapsed() >= self.patience.tidying
            {
                tracing::warn!(
                    "storage hangs: the newest logs are not stored, and old checkpoints may be left"
                );
                return Ok(state.newest.clone());
            }
            drop(state);
            std::thread::sleep(LOOK);
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            return Err(CheckpointError::Lost("it panicked".into()));
        }
        let mut state = self.shared.lock();
        self.take_failure(&mut state)?;
        Ok(state.newest.clone())
    }

    /// A try that hangs must not outlast the limit: who waits for it leaves it alone then.
    fn take_failure(&self, state: &mut State) -> Result<(), CheckpointError> {
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        let limit = self.patience.away;
        if let Some(outage) = state.away.take_if(|outage| outage.lasts(limit)) {
            return Err(outage.too_long(limit));
        }
        if !state.closing && self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            return Err(CheckpointError::Lost("it has given up".into()));
        }
        Ok(())
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        // A run that fails does not wait for its storage: what is being stored is left as a kill would leave it.
        self.shared.lock().closing = true;
        self.shared.lock().waiting.clear();
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole at every point where a thread could panic.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn wait_for<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        most: Duration,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, most);
        waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    /// The thread: stores what waits until it is told to close and nothing waits.
    fn run(&self, attempt: &Attempt, limit: Duration) {
        while let Some(mut next) = self.next() {
            let mut wait = FIRST_WAIT;
            loop {
                let step = next.snapshot.step;
                let place = attempt.place(step);
                let stored = next.span.in_scope(|| {
                    within(spans::checkpoint(step, &place), || {
                        attempt.store(&next.snapshot)
                    })
                });
                match stored {
                    Ok(()) => {
                        self.stored(step, place);
                        attempt.tidy(next.best);
                        self.rest();
                        break;
                    }
                    Err(error) => {
                        if !self.failed(error, limit) {
                            return;
                        }
                        self.pause(wait);
                        wait = (wait * 2).min(LONGEST_WAIT);
                        if !next.snapshot.is_best {
                            next = self.newer().unwrap_or(next);
                        }
                    }
                }
            }
        }
        // The logs have grown since the last checkpoint.
        attempt.store_companions();
    }

    fn next(&self) -> Option<Waiting> {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.waiting.pop_front() {
                state.work = Work::Storing(Instant::now());
                return Some(next);
            }
            if state.closing {
                return None;
            }
            state = self.wait(state);
        }
    }

    /// What has come to wait since: it is worth more than what could not be stored.
    fn newer(&self) -> Option<Waiting> {
        self.lock().waiting.pop_front()
    }

    fn stored(&self, step: u64, place: String) {
        tracing::info!(step, checkpoint = %place, "checkpoint");
        let mut state = self.lock();
        if let Some(outage) = state.away.take() {
            outage.end();
        }
        state.newest = Some((place, step));
        state.work = Work::Tidying(Instant::now());
        self.changed.notify_all();
    }

    fn rest(&self) {
        self.lock().work = Work::Nothing;
        self.changed.notify_all();
    }

    /// Takes note of a failure; false where it is the last one.
    fn failed(&self, error: CheckpointError, limit: Duration) -> bool {
        let mut state = self.lock();
        let outage = match Outage::of(error, state.away.take()) {
            Ok(outage) => outage,
            Err(error) => {
                state.failed = Some(error);
                self.changed.notify_all();
                return false;
            }
        };
        if outage.lasts(limit) {
            state.failed = Some(outage.too_long(limit));
        } else {
            outage.warn();
            state.away = Some(outage);
        }
        self.changed.notify_all();
        state.failed.is_none()
    }

    /// Waits before the next try, less where the run wants to leave.
    fn pause(&self, wait: Duration) {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), wait, |state| !state.closing);
        let (state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_closing = state.closing;
        drop(state);
        if is_closing {
            std::thread::sleep(FIRST_WAIT.min(wait));
        }
    }
}

#[cfg(test)]
#[path = "saver_tests.rs"]
mod tests;
