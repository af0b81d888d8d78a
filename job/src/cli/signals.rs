//! SIGTERM and SIGINT: save and leave where there is something to save, else leave at once.

use super::failure::Failure;
use super::last_words::LastWords;
use crate::training::Interrupt;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;

/// Passes signals on to `interrupt` from now on. Outside of a training's loop, and on a second signal, the process
/// ends at once, after its last words: every file is written beside its name and renamed, so nothing is lost that was
/// done.
pub(super) fn watch(
    interrupt: &Arc<Interrupt>,
    last_words: Option<&LastWords>,
) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(Failure::software)?;
    let interrupt = Arc::clone(interrupt);
    let last_words = last_words.cloned();
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if interrupt.is_requested() || !interrupt.request() {
                let stopped = Failure::stopped();
                eprintln!("error: {stopped}");
                if let Some(last_words) = &last_words {
                    last_words.leave(&stopped);
                }
                signal_hook::low_level::exit(stopped.class as i32);
            }
            tracing::warn!(
                "stopping: this step ends and a checkpoint is saved; a second signal ends at once"
            );
        }
    });
    Ok(())
}
