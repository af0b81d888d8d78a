//! How a run is asked from outside (by a signal) to save a checkpoint and leave.

use std::sync::atomic::{AtomicBool, Ordering};

/// Shared between the run and whoever may stop it.
#[derive(Debug, Default)]
pub struct Interrupt {
    requested: AtomicBool,
    saving: AtomicBool,
}

/// While it lives, a request is answered by a checkpoint.
#[derive(Debug)]
pub struct Answering<'a>(&'a Interrupt);

impl Interrupt {
    /// Asks the run to leave. False where it would not hear: no training is in its loop, so there is nothing to
    /// save, and the process may end at once.
    pub fn request(&self) -> bool {
        self.requested.store(true, Ordering::SeqCst);
        self.saving.load(Ordering::SeqCst)
    }

    /// Whether the run was asked to leave.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// From now on, and as long as the result lives, a request is answered by a checkpoint: by a training in its loop,
    /// or by ranks that are asked in their turn.
    pub fn answering(&self) -> Answering<'_> {
        self.saving.store(true, Ordering::SeqCst);
        Answering(self)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.saving.store(false, Ordering::SeqCst);
    }
}
