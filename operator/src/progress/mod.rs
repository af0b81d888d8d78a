//! Asks running trainings where they stand: rank 0 of each answers `GET /progress`. The answers wait here for the
//! next reconcile, which this asks for when there is something new.

mod client;
mod poller;
mod reports;

pub use poller::{PollTiming, poll};
pub use reports::Reports;
