//! From what is observed of a benchmark to its new status and what is to be done.

use crate::benchmark::Observed;
use crate::effect::Decision;
use splade_crds::SpladeBenchmarkStatus;

/// Decides what follows from what is observed.
pub fn plan(observed: &Observed) -> Decision<SpladeBenchmarkStatus> {
    Decision {
        status: observed.benchmark.status.clone().unwrap_or_default(),
        effects: Vec::new(),
        requeue_after: None,
    }
}
