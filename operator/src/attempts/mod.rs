//! The life of attempts, the same for trainings, exports and benchmarks: begin, watch, end, clean up, pause, again.
//!
//! What an attempt is known by lives in the status of its owner. Its end and the counters are written there before
//! anything is deleted, and the next one is written there before it is created.

mod budget;
mod ended;
mod life;
mod limits;
mod record;
mod release;

pub use budget::{Budget, pause_seconds};
pub use ended::{Resource, cause_name, newly_ended, root};
pub use life::{Life, Step};
pub use limits::{StartLimits, active_seconds};
pub use record::{begin, close, last_failure};
pub use release::{Attempts, Keep, Release};
