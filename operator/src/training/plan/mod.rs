//! From what is observed of a training to its new status and what is to be done.

use crate::effect::Decision;
use crate::training::Observed;
use splade_crds::SpladeTrainingStatus;

/// Decides what follows from what is observed.
pub fn plan(observed: &Observed) -> Decision<SpladeTrainingStatus> {
    Decision {
        status: observed.training.status.clone().unwrap_or_default(),
        effects: Vec::new(),
        requeue_after: None,
    }
}
