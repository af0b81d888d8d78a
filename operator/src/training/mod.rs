//! SpladeTraining: what is observed, and what follows from it.

pub mod observed;
pub mod plan;
pub mod progress;

pub use observed::{InitFromTraining, Observed, Polled};
pub use plan::plan;
pub use progress::ProgressReport;
