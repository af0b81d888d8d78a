//! From what is observed of a training to its new status and what is to be done.
//!
//! A training goes through these stages, told by its status alone: attempts at the training itself, one after the
//! other, until one has completed; attempts at the export; the benchmarks; the end. `Succeeded` holds when all of
//! them are over: a benchmark that fails leaves `Benchmarked` false and takes nothing from the model. An export
//! that fails makes the training fail; its checkpoints stay.

mod benchmarks;
mod clock;
mod draft;
mod ending;
mod export;
mod left_behind;
mod progress;
mod show;
mod start;
mod train;

use crate::effect::Decision;
use crate::training::Observed;
use draft::Draft;
use splade_crds::SpladeTrainingStatus;

/// Decides what follows from what is observed.
pub fn plan(observed: &Observed) -> Decision<SpladeTrainingStatus> {
    if observed.training.metadata.deletion_timestamp.is_some() {
        // What it owns is collected with it.
        return Decision {
            status: observed.training.status.clone().unwrap_or_default(),
            effects: Vec::new(),
            requeue_after: None,
        };
    }
    let mut draft = Draft::new(observed);
    draft.note_what_pods_say();
    if draft.has_ended() {
        draft.after_the_end();
    } else if draft.is_trained() {
        draft.finish_up();
    } else {
        draft.train();
    }
    if draft.open_attempt().is_none() {
        draft.forget_estimate();
    }
    draft.decide()
}
