//! SpladeTraining: what is observed, and what follows from it.

pub mod build;
mod dereference;
pub mod observed;
pub mod plan;
pub mod progress;
pub mod validate;

pub use observed::{InitFromTraining, Observed, Polled};
pub use plan::plan;
pub use progress::ProgressReport;
pub use validate::{InvalidTraining, ValidTraining};
